package web

import (
	"context"
	"fmt"
	"html"
	"net/http"

	"spar/web/i18n"
)

// WriteFailure writes the page of last resort, for what goes wrong outside of any handler. It needs no session and no
// database, so it is in the browser's language; it says nothing about the cause, and names the request for the people who
// can look it up.
func WriteFailure(w http.ResponseWriter, r *http.Request, status int) {
	ctx := i18n.With(context.Background(), i18n.Negotiate("", r.Header.Get("Accept-Language")))
	what := "failure.ours."
	switch status {
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge:
		what = "failure.unreadable."
	case http.StatusMisdirectedRequest:
		what = "failure.address."
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Language", i18n.Tag(ctx))
	h.Set("Cache-Control", "no-store")
	h.Del("Content-Length")
	w.WriteHeader(status)
	fmt.Fprintf(w, `<!doctype html>
<html lang="%[1]s" dir="%[2]s"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>%[3]s</title></head>
<body><main><h1>%[3]s</h1><p>%[4]s</p><p>%[5]s <bdi dir="ltr">%[6]s</bdi></p></main></body></html>
`, i18n.Tag(ctx), i18n.Direction(ctx), text(ctx, what+"title"), text(ctx, what+"text"), text(ctx, "error.support"),
		html.EscapeString(RequestID(r.Context())))
}

func text(ctx context.Context, key string) string { return html.EscapeString(i18n.T(ctx, key)) }
