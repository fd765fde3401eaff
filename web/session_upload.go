package web

import (
	"context"
	"errors"
	"io"
	"mime/multipart"
	"net/http"
	"time"
)

// Upload is a form whose file is too large to be held in memory: its handler reads the parts as they arrive.
type Upload struct {
	Path  string
	Limit int64         // bytes of the whole form
	Time  time.Duration // that sending it and answering may take
}

type partsKey struct{}

// Parts are the parts of an [Upload] behind the form token, in the order of the form's fields. nil: it is none.
func Parts(ctx context.Context) *multipart.Reader {
	parts, _ := ctx.Value(partsKey{}).(*multipart.Reader)
	return parts
}

// maxTokenPart is more than any form token has.
const maxTokenPart = 256

// receive passes on an upload of somebody of the staff, once its first part proves that our page made the form.
func (s *Sessions) receive(u Upload, next, refused http.Handler, w http.ResponseWriter, r *http.Request) {
	GiveTime(w, u.Time)
	r.Body = http.MaxBytesReader(w, r.Body, u.Limit)
	parts, err := r.MultipartReader()
	if err != nil {
		WriteFailure(w, r, http.StatusBadRequest)
		return
	}
	first, err := parts.NextPart()
	if err != nil {
		WriteFailure(w, r, http.StatusBadRequest)
		return
	}
	token, err := io.ReadAll(io.LimitReader(first, maxTokenPart))
	if err != nil || first.FormName() != FormTokenField || !s.CheckFormToken(r.Context(), string(token)) {
		refused.ServeHTTP(w, r)
		return
	}
	next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), partsKey{}, parts)))
}

// GiveTime lets a request that moves a large file take longer than the server's usual limits.
func GiveTime(w http.ResponseWriter, d time.Duration) {
	control, end := http.NewResponseController(w), time.Now().Add(d)
	// Only a writer that is no connection of a server, as in tests, does not have them.
	_ = errors.Join(control.SetReadDeadline(end), control.SetWriteDeadline(end))
}
