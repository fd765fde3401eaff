package handlers

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"net/http"
	"time"
)

// OpenAPIPath is where the description of the partner API is served, to anybody: it says nothing about this installation.
const OpenAPIPath = "/openapi.yaml"

//go:embed openapi.yaml
var openAPI []byte

// OpenAPI serves the description of the partner API. It is the same for everybody until the next release, so caches may
// keep it, and ask by its hash whether it changed.
func OpenAPI() http.Handler {
	sum := sha256.Sum256(openAPI)
	tag := `"` + hex.EncodeToString(sum[:16]) + `"`
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			header.Set("Allow", "GET, HEAD")
			http.Error(w, http.StatusText(http.StatusMethodNotAllowed), http.StatusMethodNotAllowed)
			return
		}
		header.Set("Content-Type", "application/yaml")
		header.Set("Cache-Control", "public, max-age=3600")
		header.Set("ETag", tag)
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(openAPI))
	})
}
