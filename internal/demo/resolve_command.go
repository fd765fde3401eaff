package demo

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// ResolveCommand is a signed resolve by the sample bank, to paste into a shell that has openssl and curl. The shell makes
// the message id and the time itself, so it works at any time and as often as one likes. It asks for the details of id.
func ResolveCommand(baseURL, keyPath, id string) string {
	return fmt.Sprintf(`(
  base64url() { openssl base64 -A | tr '+/' '-_' | tr -d '='; }
  now=$(date -u +%%Y-%%m-%%dT%%H:%%M:%%SZ) message=$(openssl rand -hex 16)
  body='{"signature":"","header":{"version":"1.0.0","message_id":"'$message'","message_ts":"'$now'",'
  body=$body'"action":"resolve","sender_id":"%s","total_count":1},'
  body=$body'"message":{"transaction_id":"'$message'","resolve_request":[{"reference_id":"1",'
  body=$body'"timestamp":"'$now'","id":%s,"scope":"details"}]}}'
  header=$(printf '{"alg":"RS256","typ":"JWT"}' | base64url)
  signature=$(printf '%%s.%%s' "$header" "$(printf '%%s' "$body" | base64url)" |
    openssl dgst -sha256 -sign %s -binary | base64url)
  curl -sS %s -H 'Content-Type: application/json' \
    -H "Signature: $header..$signature" --data-binary "$body"
  echo
)`, SampleBank, insideQuotes(jsonString(id)), shellQuote(keyPath), shellQuote(strings.TrimSuffix(baseURL, "/")+"/mapper/sync/resolve"))
}

// shellQuote makes one word of any text for a POSIX shell.
func shellQuote(text string) string {
	return "'" + insideQuotes(text) + "'"
}

// insideQuotes makes any text fit between single quotes that are there already.
func insideQuotes(text string) string { return strings.ReplaceAll(text, "'", `'\''`) }

// jsonString is text as a JSON string. Unlike json.Marshal it leaves <, > and & alone, for a person reads it.
func jsonString(text string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(text); err != nil {
		panic("encode a string: " + err.Error()) // strings always encode
	}
	return strings.TrimSuffix(b.String(), "\n")
}
