package brand

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"image/png"
	"io"
	"path/filepath"
	"strings"
)

const (
	// largestLogo bounds what everybody's first visit costs. It is in every page.
	largestLogo = 16 << 10
	// largestSide of a PNG, in pixels.
	largestSide = 2048
)

// checkLogo refuses what is not a picture. What an SVG could do besides is refused too, although nothing of it could run:
// it is only ever shown as a picture, and sent with a policy that allows nothing.
func checkLogo(path string, content []byte) error {
	switch strings.ToLower(filepath.Ext(path)) {
	case ".png":
		config, err := png.DecodeConfig(bytes.NewReader(content))
		if err != nil {
			return fmt.Errorf("%s is not a PNG: %w", path, err)
		}
		if config.Width > largestSide || config.Height > largestSide {
			return fmt.Errorf("%s is larger than %d pixels", path, largestSide)
		}
		return nil
	case ".svg":
		if err := checkSVG(content); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		return nil
	}
	return fmt.Errorf("%s ends in neither .svg nor .png", path)
}

func checkSVG(content []byte) error {
	decoder := xml.NewDecoder(bytes.NewReader(content))
	depth, seen := 0, false
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			if !seen {
				return errors.New("holds no picture")
			}
			return nil
		}
		if err != nil {
			return fmt.Errorf("is not XML: %w", err)
		}
		switch token := token.(type) {
		case xml.Directive:
			if strings.Contains(string(token), "[") {
				return errors.New("has a document type with declarations of its own; remove it")
			}
		case xml.ProcInst:
			if token.Target != "xml" {
				return fmt.Errorf("has the processing instruction %s; remove it", token.Target)
			}
		case xml.StartElement:
			if depth++; depth == 1 && token.Name.Local != "svg" {
				return fmt.Errorf("begins with <%s>, not with <svg>", token.Name.Local)
			}
			seen = true
			if err := checkElement(token); err != nil {
				return err
			}
		case xml.EndElement:
			depth--
		}
	}
}

func checkElement(element xml.StartElement) error {
	switch strings.ToLower(element.Name.Local) {
	case "script", "foreignobject", "iframe", "embed", "object", "handler":
		return fmt.Errorf("holds <%s>; a logo is a picture and nothing else", element.Name.Local)
	}
	for _, attribute := range element.Attr {
		name, value := strings.ToLower(attribute.Name.Local), strings.TrimSpace(attribute.Value)
		if strings.HasPrefix(name, "on") {
			return fmt.Errorf("has the attribute %s; a logo is a picture and nothing else", attribute.Name.Local)
		}
		if name == "href" && !strings.HasPrefix(value, "#") && !strings.HasPrefix(value, "data:image/") {
			return errors.New("refers to something outside of it; put it into the file")
		}
	}
	return nil
}
