package main

import (
	"io"
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

// The calls for onboarding by program are mounted without sessions: whoever comes without a token learns so in their form.
func TestOnboardingCallsAreMounted(t *testing.T) {
	d := startDemo(t)
	for path, want := range map[string]int{
		"/v1/keymanager/getCertificate": http.StatusUnauthorized,
		"/v1/keymanager/jwtVerify":      http.StatusMethodNotAllowed,
		"/v1/keymanager/other":          http.StatusNotFound,
		"/v1/keymanager/":               http.StatusNotFound,
	} {
		resp, err := http.Get(d.banner.BaseURL + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != want || !strings.Contains(string(body), `"errorCode":"KER-`) || len(resp.Cookies()) != 0 {
			t.Errorf("%s: got %d %s with cookies %v, %v; want %d", path, resp.StatusCode, body, resp.Cookies(), err, want)
		}
	}
}

// The back channel of login providers is mounted outside of sessions and the check for forged forms: a token that is
// refused is answered as the specification says, also when a browser of another site could have sent it.
func TestBackchannelLogoutIsMounted(t *testing.T) {
	d := startDemo(t)
	r, err := http.NewRequest("POST", d.banner.BaseURL+"/auth/backchannel-logout", strings.NewReader("logout_token=x"))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if err != nil || resp.StatusCode != http.StatusBadRequest || string(body) != `{"error":"invalid_request"}` ||
		resp.Header.Get("Cache-Control") != "no-store" || len(resp.Cookies()) != 0 {
		t.Errorf("got %d %s with cookies %v, %v", resp.StatusCode, body, resp.Cookies(), err)
	}
}
