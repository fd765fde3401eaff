// Package static owns the files a browser is sent as they are: the stylesheet, the small script, the icons, and what `make`
// fetched into vendor. Every file has a URL with a hash of its content in it, so a browser may keep it for ever. The pages
// work without any of the scripts. A host's own files, see [NewFiles], are sent in the same way.
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

	"github.com/andybalholm/brotli"
)

// Prefix of the URL path of every static file.
const Prefix = "/static/"

//go:embed app.css staff.css app.js favicon.svg icons vendor
var embedded embed.FS

// Files are served for ever: what is at a URL never changes, and what changes gets another URL.
type Files struct {
	prefix string
	byName map[string]*file
	byURL  map[string]*file
}

type file struct {
	url         string
	contentType string
	body        []byte
	gzip        func() []byte // compressed when they are first asked for; nil where that would not be smaller
	brotli      func() []byte
}

// own are the files of this build, read and hashed once: they are part of the binary and never change while it runs.
var own = sync.OnceValue(func() *Files {
	contents, err := read(embedded)
	if err != nil {
		panic(err) // cannot happen with files that were embedded; the tests read them
	}
	return NewFiles(Prefix, contents)
})

func read(source fs.FS) (map[string][]byte, error) {
	contents := map[string][]byte{}
	err := fs.WalkDir(source, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || path.Ext(name) == ".md" {
			return err
		}
		contents[name], err = fs.ReadFile(source, name)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the static files: %w", err)
	}
	return contents, nil
}

// NewFiles makes Files of contents by name. Their URLs begin with prefix.
func NewFiles(prefix string, contents map[string][]byte) *Files {
	f := &Files{prefix: prefix, byName: map[string]*file{}, byURL: map[string]*file{}}
	for name, body := range contents {
		one := newFile(prefix, name, body)
		f.byName[name], f.byURL[one.url] = one, one
	}
	return f
}

func newFile(prefix, name string, body []byte) *file {
	sum := sha256.Sum256(body)
	extension := path.Ext(name)
	return &file{
		url:         prefix + strings.TrimSuffix(name, extension) + "." + hex.EncodeToString(sum[:6]) + extension,
		contentType: contentType(extension),
		body:        body,
		gzip:        sync.OnceValue(func() []byte { return smaller(body, gzipped(body)) }),
		brotli:      sync.OnceValue(func() []byte { return smaller(body, brotlied(body)) }),
	}
}

// Writing to memory does not fail.

func gzipped(body []byte) []byte {
	var buffer bytes.Buffer
	w, _ := gzip.NewWriterLevel(&buffer, gzip.BestCompression)
	_, _ = w.Write(body)
	_ = w.Close()
	return buffer.Bytes()
}

func brotlied(body []byte) []byte {
	var buffer bytes.Buffer
	w := brotli.NewWriterLevel(&buffer, brotli.BestCompression)
	_, _ = w.Write(body)
	_ = w.Close()
	return buffer.Bytes()
}

func smaller(body, compressed []byte) []byte {
	if len(compressed) < len(body) {
		return compressed
	}
	return nil
}

func contentType(extension string) string {
	switch extension {
	case ".js": // the machine's own table of types may say otherwise, and nosniff would then stop the script
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	case ".png":
		return "image/png"
	}
	return mime.TypeByExtension(extension)
}

// Has reports whether a file is part of this build; those under vendor are only there when `make` fetched them.
func Has(name string) bool {
	_, ok := own().byName[name]
	return ok
}

// URL of a file of this build; see [Files.URL].
func URL(name string) string { return own().URL(name) }

// URL of a file, with its content's hash in it. Unknown names get an address that answers 404.
func (f *Files) URL(name string) string {
	if one, ok := f.byName[name]; ok {
		return one.url
	}
	return f.prefix + name
}

// Icon returns the markup of an icon of the icons folder, to be put into a page so that it takes the text's colour.
// It is empty for an unknown name.
func Icon(name string) string {
	if one, ok := own().byName["icons/"+name+".svg"]; ok {
		return strings.TrimSpace(string(one.body))
	}
	return ""
}

// Handler serves the files of this build at their URLs under [Prefix], for GET and HEAD.
func Handler() http.Handler { return own() }

// ServeHTTP serves the files at their URLs, for GET and HEAD.
func (f *Files) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	one, ok := f.byURL[r.URL.Path]
	if !ok {
		http.NotFound(w, r)
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, http.StatusText(http.StatusMethodNotAllowed), http.StatusMethodNotAllowed)
		return
	}
	one.serve(w, r)
}

// picturePolicy goes with pictures that a browser could open as documents of their own: nothing in one may run or load
// anything, whoever drew it.
const picturePolicy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; sandbox"

func (f *file) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", f.contentType)
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	if f.contentType == "image/svg+xml" {
		h.Set("Content-Security-Policy", picturePolicy)
	}
	body, encoding := f.body, ""
	accepted := r.Header.Get("Accept-Encoding")
	if small := f.gzip(); small != nil {
		h.Set("Vary", "Accept-Encoding")
		if accepts(accepted, "gzip") {
			body, encoding = small, "gzip"
		}
		if smallest := f.brotli(); smallest != nil && len(smallest) < len(small) && accepts(accepted, "br") {
			body, encoding = smallest, "br"
		}
	}
	if encoding != "" {
		h.Set("Content-Encoding", encoding)
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	if r.Method == http.MethodGet {
		_, _ = w.Write(body) // the reader went away: nothing to do
	}
}

// accepts leaves the finer points of weights aside but honours a plain refusal.
func accepts(header, encoding string) bool {
	for part := range strings.SplitSeq(header, ",") {
		name, weight, _ := strings.Cut(strings.TrimSpace(part), ";")
		if strings.EqualFold(strings.TrimSpace(name), encoding) {
			value := strings.TrimPrefix(strings.ReplaceAll(weight, " ", ""), "q=")
			return strings.Trim(value, "0.") != "" || value == ""
		}
	}
	return false
}
