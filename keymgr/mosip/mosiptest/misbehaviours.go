package mosiptest

import (
	"net/http"
	"time"
)

// Misbehaviours are answers to jwtVerify that are neither a yes nor a no, by name: from each follows that nothing is
// known, and nothing may be accepted. Those that never end take a client its whole time limit.
func Misbehaviours() map[string]Twist {
	const yes = `"response":{"signatureValid":true,"message":"Validation Successful","trustValid":"TRUST_NOT_VERIFIED"}`
	return map[string]Twist{
		"slower than the time limit":     Slow(time.Minute),
		"hangs":                          Hang(),
		"hangs after the headers":        HangAfterHeaders(),
		"breaks off in the middle":       CutOff(),
		"500":                            Answer(http.StatusInternalServerError, "application/json", `{`+yes+`,"errors":null}`),
		"500 with its own envelope":      Answer(http.StatusInternalServerError, "application/json", `{"response":null,"errors":[{"errorCode":"KER-KMS-500","message":"NPE"}]}`),
		"503 of a proxy":                 Answer(http.StatusServiceUnavailable, "text/html", `<html>down</html>`),
		"201":                            Answer(http.StatusCreated, "application/json", `{`+yes+`,"errors":null}`),
		"204":                            Answer(http.StatusNoContent, "application/json", ``),
		"404":                            Answer(http.StatusNotFound, "application/json", `{`+yes+`,"errors":null}`),
		"413":                            Answer(http.StatusRequestEntityTooLarge, "text/html", ``),
		"garbage":                        JSON("\x00\xff garbage"),
		"empty":                          JSON(``),
		"HTML of a login page":           Answer(http.StatusOK, "text/html", `<html>{"response":{"signatureValid":true}}</html>`),
		"JSON as text/plain":             Answer(http.StatusOK, "text/plain", `{`+yes+`,"errors":null}`),
		"true alone":                     JSON(`true`),
		"a list":                         JSON(`[{` + yes + `,"errors":null}]`),
		"null":                           JSON(`null`),
		"huge":                           Huge(),
		"something after the envelope":   JSON(`{` + yes + `,"errors":null}{}`),
		"cut short":                      JSON(`{` + yes + `,"errors":nu`),
		`signatureValid "true"`:          JSON(`{"response":{"signatureValid":"true"},"errors":null}`),
		"signatureValid 1":               JSON(`{"response":{"signatureValid":1},"errors":null}`),
		"signatureValid null":            JSON(`{"response":{"signatureValid":null},"errors":null}`),
		"signatureValid [true]":          JSON(`{"response":{"signatureValid":[true]},"errors":null}`),
		"signatureValid in other case":   JSON(`{"response":{"SignatureValid":true},"errors":null}`),
		"signatureValid twice":           JSON(`{"response":{"signatureValid":false,"signatureValid":true},"errors":null}`),
		"signatureValid elsewhere":       JSON(`{"signatureValid":true,"response":{},"errors":null}`),
		"response missing":               JSON(`{"errors":null}`),
		"response null":                  JSON(`{"response":null,"errors":null}`),
		"response null, errors empty":    JSON(`{"response":null,"errors":[]}`),
		"response true":                  JSON(`{"response":true,"errors":null}`),
		"response a text":                JSON(`{"response":"{\"signatureValid\":true}","errors":null}`),
		"response twice":                 JSON(`{"response":{"signatureValid":false},` + yes + `,"errors":null}`),
		"Response in other case":         JSON(`{"Response":{"signatureValid":true},"errors":null}`),
		"errors and a response":          JSON(`{` + yes + `,"errors":[{"errorCode":"KER-KMS-500","message":""}]}`),
		"errors of another kind":         JSON(`{` + yes + `,"errors":{"errorCode":"KER-JWS-105"}}`),
		"errors a text":                  JSON(`{` + yes + `,"errors":"none"}`),
		"errors false":                   JSON(`{` + yes + `,"errors":false}`),
		"an error without a code":        JSON(`{` + yes + `,"errors":[{}]}`),
		"an error of null":               JSON(`{` + yes + `,"errors":[null]}`),
		"an error that is not ours":      Fails("KER-KMS-002"),
		"an unknown error":               Fails("KER-XXX-999"),
		"an error of no form":            Fails("MESSAGEMARKER"),
		"broken inside":                  Fails("KER-KMS-500"),
		"401 always":                     Unauthorized(),
		"401 in the envelope, always":    Fails("KER-ATH-401"),
		"403":                            Forbidden(),
		"403 in the envelope":            Fails("KER-ATH-403"),
		"redirect to itself":             Redirect(Base + "jwtVerify"),
		"redirect to somebody who's yes": Redirect("/yes"),
	}
}
