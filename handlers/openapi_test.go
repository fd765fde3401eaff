package handlers_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
	"github.com/gin-gonic/gin"

	"spar/handlers"
)

// described is the partner API as handlers/openapi.yaml describes it, read from where it is served.
var described = sync.OnceValues(func() (routers.Router, error) {
	document, err := servedDocument()
	if err != nil {
		return nil, err
	}
	return gorillamux.NewRouter(document)
})

func servedDocument() (*openapi3.T, error) {
	served := httptest.NewRecorder()
	handlers.OpenAPI().ServeHTTP(served, httptest.NewRequest(http.MethodGet, handlers.OpenAPIPath, nil))
	return openapi3.NewLoader().LoadFromData(served.Body.Bytes())
}

// checkDescribed fails the test if an answer, or the call it accepted in full, is not as the document says. Paths and
// methods the document does not have are no calls.
func checkDescribed(t *testing.T, request *http.Request, body []byte, got response) {
	t.Helper()
	router, err := described()
	if err != nil {
		t.Fatalf("openapi.yaml: %v", err)
	}
	route, parameters, err := router.FindRoute(request)
	if err != nil {
		return
	}
	options := &openapi3filter.Options{IncludeResponseStatus: true, MultiError: true}
	call := &openapi3filter.RequestValidationInput{Request: request, PathParams: parameters, Route: route, Options: options}
	answer := &openapi3filter.ResponseValidationInput{RequestValidationInput: call, Status: got.status, Header: got.header, Options: options}
	if err := openapi3filter.ValidateResponse(t.Context(), answer.SetBodyBytes([]byte(got.body))); err != nil {
		t.Errorf("this answer is not as openapi.yaml describes it: %v\n%s", err, got.body)
	}
	if !got.accepted(t) {
		return
	}
	request.Body = io.NopCloser(bytes.NewReader(body))
	if err := openapi3filter.ValidateRequest(t.Context(), call); err != nil {
		t.Errorf("a call that was accepted is not as openapi.yaml describes it: %v\n%s", err, body)
	}
}

// accepted reports whether nothing was wrong with a call, down to its last item.
func (r response) accepted(t *testing.T) bool {
	t.Helper()
	if r.status != http.StatusOK {
		return false
	}
	var answer struct {
		Header  struct{ Status string }
		Message map[string]json.RawMessage
	}
	if err := json.Unmarshal([]byte(r.body), &answer); err != nil {
		t.Fatal(err)
	}
	for _, member := range answer.Message {
		var items []struct{ Status string }
		if json.Unmarshal(member, &items) != nil {
			continue // a text beside the list
		}
		if slices.ContainsFunc(items, func(item struct{ Status string }) bool { return item.Status != "succ" }) {
			return false
		}
	}
	return answer.Header.Status == "succ"
}

func TestTheDescriptionIsValidOpenAPI(t *testing.T) {
	document, err := servedDocument()
	if err != nil {
		t.Fatal(err)
	}
	if err := document.Validate(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestEveryCallIsDescribed: what is routed is in the document, and the other way round.
func TestEveryCallIsDescribed(t *testing.T) {
	document, err := servedDocument()
	if err != nil {
		t.Fatal(err)
	}
	var describedCalls, routed []string
	for path, item := range document.Paths.Map() {
		for method := range item.Operations() {
			describedCalls = append(describedCalls, method+" "+path)
		}
	}
	engine := gin.New()
	(&handlers.PartnerAPI{}).Routes(engine)
	(&handlers.KeyManagerAPI{}).Routes(engine)
	for _, route := range engine.Routes() {
		routed = append(routed, route.Method+" "+route.Path)
	}
	slices.Sort(describedCalls)
	slices.Sort(routed)
	if !slices.Equal(describedCalls, routed) {
		t.Errorf("described: %v\nrouted:    %v", describedCalls, routed)
	}
}

func TestTheDescriptionIsPublicAndCacheable(t *testing.T) {
	server := httptest.NewServer(handlers.OpenAPI())
	defer server.Close()
	get := func(method, tag string) *http.Response {
		t.Helper()
		request, err := http.NewRequestWithContext(t.Context(), method, server.URL+handlers.OpenAPIPath, nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("If-None-Match", tag)
		answer, err := server.Client().Do(request)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		return answer
	}
	first := get(http.MethodGet, "")
	if first.StatusCode != http.StatusOK || first.Header.Get("Content-Type") != "application/yaml" || first.Header.Get("Cache-Control") != "public, max-age=3600" {
		t.Errorf("answered %d, %v", first.StatusCode, first.Header)
	}
	if again := get(http.MethodGet, first.Header.Get("ETag")); again.StatusCode != http.StatusNotModified {
		t.Errorf("the unchanged document was answered %d", again.StatusCode)
	}
	if posted := get(http.MethodPost, ""); posted.StatusCode != http.StatusMethodNotAllowed || posted.Header.Get("Allow") == "" {
		t.Errorf("a POST was answered %d", posted.StatusCode)
	}
}
