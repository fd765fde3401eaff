package web_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"spar/web"
	"spar/web/i18n"
)

func TestLastResortSpeaksTheBrowsersLanguage(t *testing.T) {
	for _, choice := range i18n.Languages() {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Accept-Language", choice.Tag)
		answer := httptest.NewRecorder()
		web.WriteFailure(answer, r, http.StatusMisdirectedRequest)
		title := i18n.T(i18n.With(t.Context(), choice.Code), "failure.address.title")
		for _, want := range []string{`<html lang="` + choice.Tag + `" dir="` + choice.Direction + `">`, "<h1>" + title + "</h1>"} {
			if !strings.Contains(answer.Body.String(), want) {
				t.Errorf("%s: no %s in %s", choice.Code, want, answer.Body)
			}
		}
		if got := answer.Header().Get("Content-Language"); got != choice.Tag {
			t.Errorf("%s: Content-Language is %q", choice.Code, got)
		}
	}
}
