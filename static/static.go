// Package static owns the files a browser is sent as they are: the stylesheet, the small script, the icons, and what `make`
// fetched into vendor. Every file has a URL with a hash of its content in it, so a browser may keep it for ever. The pages
// work without any of the scripts.
package static

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strconv"
	"strings"
	"sync"
)

// Prefix of the URL path of every static file.
const Prefix = "/static/"

//go:embed app.css staff.css app.js favicon.svg icons vendor
var embedded embed.FS

type file struct {
	url         string
	contentType string
	body        []byte
	compressed  []byte // gzip; nil where it would not be smaller
}

// files are read, hashed and compressed once: they are part of the binary and never change while it runs.
var files = sync.OnceValue(func() map[string]*file {
	all, err := read(embedded)
	if err != nil {
		panic(err) // cannot happen with files that were embedded; the tests read them
	}
	return all
})

func read(source fs.FS) (map[string]*file, error) {
	all := map[string]*file{}
	err := fs.WalkDir(source, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || path.Ext(name) == ".md" {
			return err
		}
		body, err := fs.ReadFile(source, name)
		if err != nil {
			return err
		}
		all[name], err = newFile(name, body)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the static files: %w", err)
	}
	return all, nil
}

func newFile(name string, body []byte) (*file, error) {
	sum := sha256.Sum256(body)
	extension := path.Ext(name)
	f := &file{
		url:         Prefix + strings.TrimSuffix(name, extension) + "." + hex.EncodeToString(sum[:6]) + extension,
		contentType: contentType(extension),
		body:        body,
	}
	var buffer bytes.Buffer
	zip, err := gzip.NewWriterLevel(&buffer, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := zip.Write(body); err != nil {
		return nil, err
	}
	if err := zip.Close(); err != nil {
		return nil, err
	}
	if buffer.Len() < len(body) {
		f.compressed = buffer.Bytes()
	}
	return f, nil
}

func contentType(extension string) string {
	switch extension {
	case ".js": // the machine's own table of types may say otherwise, and nosniff would then stop the script
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	}
	return mime.TypeByExtension(extension)
}

// Has reports whether a file is part of this build; those under vendor are only there when `make` fetched them.
func Has(name string) bool {
	_, ok := files()[name]
	return ok
}

// URL of a file, with its content's hash in it. Unknown names get an address that answers 404.
func URL(name string) string {
	if f, ok := files()[name]; ok {
		return f.url
	}
	return Prefix + name
}

// Icon returns the markup of an icon of the icons folder, to be put into a page so that it takes the text's colour.
// It is empty for an unknown name.
func Icon(name string) string {
	if f, ok := files()["icons/"+name+".svg"]; ok {
		return strings.TrimSpace(string(f.body))
	}
	return ""
}

// Handler serves the files at their URLs under [Prefix], for GET and HEAD.
func Handler() http.Handler {
	byURL := map[string]*file{}
	for _, f := range files() {
		byURL[f.url] = f
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f, ok := byURL[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, http.StatusText(http.StatusMethodNotAllowed), http.StatusMethodNotAllowed)
			return
		}
		f.serve(w, r)
	})
}

func (f *file) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", f.contentType)
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	body := f.body
	if f.compressed != nil {
		h.Set("Vary", "Accept-Encoding")
		if acceptsGzip(r.Header.Get("Accept-Encoding")) {
			h.Set("Content-Encoding", "gzip")
			body = f.compressed
		}
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	if r.Method == http.MethodGet {
		_, _ = w.Write(body) // the reader went away: nothing to do
	}
}

// acceptsGzip leaves the finer points of weights aside but honours a plain refusal.
func acceptsGzip(header string) bool {
	for part := range strings.SplitSeq(header, ",") {
		name, weight, _ := strings.Cut(strings.TrimSpace(part), ";")
		if strings.EqualFold(strings.TrimSpace(name), "gzip") {
			value := strings.TrimPrefix(strings.ReplaceAll(weight, " ", ""), "q=")
			return strings.Trim(value, "0.") != "" || value == ""
		}
	}
	return false
}
