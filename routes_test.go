package main

import (
	"net/http"
	"strings"
	"testing"
)

// Only the one spelling of a call's path leads to it, where the answer is that the signature is missing.
func TestAPartnersPathsHaveOneSpelling(t *testing.T) {
	d := startDemo(t)
	for path, want := range map[string]int{
		"/mapper/sync/link":               http.StatusUnauthorized,
		"/mapper/sync/link?signature=x":   http.StatusUnauthorized,
		"/mapper/sync/link/":              http.StatusNotFound,
		"/mapper/sync//link":              http.StatusNotFound,
		"/mapper/x/../sync/link":          http.StatusNotFound,
		"/mapper/sync/LINK":               http.StatusNotFound,
		"/mapper/sync/lin%6b":             http.StatusNotFound,
		"/mapper/sync%2flink":             http.StatusNotFound,
		"/mapper%2fsync%2flink":           http.StatusNotFound,
		"/%6dapper/sync/link":             http.StatusNotFound,
		"/mapper/%2e%2e/mapper/sync/link": http.StatusNotFound,
	} {
		resp, err := http.Post(d.banner.BaseURL+path, "application/json", strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%s: got %d, want %d", path, resp.StatusCode, want)
		}
	}
}
