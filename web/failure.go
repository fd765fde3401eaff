package web

import (
	"fmt"
	"html"
	"net/http"
)

// WriteFailure writes the page of last resort, for what goes wrong outside of any handler. It needs no session, no
// language and no database, says nothing about the cause, and names the request for the people who can look it up.
func WriteFailure(w http.ResponseWriter, status int, requestID string) {
	title, advice := "Something went wrong", "Nothing was changed. Please try again in a few minutes."
	switch status {
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge:
		title, advice = "The request could not be read", "Nothing was changed. Please go back and try again."
	case http.StatusMisdirectedRequest:
		title, advice = "Wrong address", "This service is not available under the address you used."
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Del("Content-Length")
	w.WriteHeader(status)
	fmt.Fprintf(w, `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>%[1]s</title></head>
<body><main><h1>%[1]s</h1><p>%[2]s</p><p>Reference: %[3]s</p></main></body></html>
`, title, advice, html.EscapeString(requestID))
}
