package keymgr_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"spar/keymgr"
)

// vectors reads pairs of an input line and the line orjson makes of it; empty lines and comments lie between.
func vectors(t testing.TB, path string) [][2]string {
	t.Helper()
	content, err := os.ReadFile(path)
	must(t, err)
	var lines []string
	for line := range strings.Lines(string(content)) {
		if line = strings.TrimSuffix(line, "\n"); line != "" && !strings.HasPrefix(line, "#") {
			lines = append(lines, line)
		}
	}
	if len(lines) == 0 || len(lines)%2 != 0 {
		t.Fatalf("%s has %d lines", path, len(lines))
	}
	var pairs [][2]string
	for pair := range slices.Chunk(lines, 2) {
		pairs = append(pairs, [2]string{pair[0], pair[1]})
	}
	return pairs
}

func TestCanonicalVectors(t *testing.T) {
	for _, path := range []string{"testdata/canonical.txt", "testdata/canonical_random.txt"} {
		for _, pair := range vectors(t, path) {
			got, err := keymgr.Canonical([]byte(pair[0]))
			if err != nil || string(got) != pair[1] {
				t.Errorf("%s: %s\n got %s, %v\nwant %s", path, pair[0], got, err, pair[1])
			}
		}
	}
}

// Characters that a text file cannot show.
func TestCanonicalText(t *testing.T) {
	for input, want := range map[string]string{
		" \t\r\n[ 1 ,\n2 ] \n":                         "[1,2]",
		"\"\x7f\"":                                     "\"\x7f\"",
		`"\u007f\u0080\u2028"`:                         "\"\x7f\u0080\u2028\"",
		"\"\u2028\u2029<>&/\"":                         "\"\u2028\u2029<>&/\"",
		`"\u003c\u003E\u0026\u002f\/"`:                 `"<>&//"`,
		`"\u0000\u0001\u000b\u001F"`:                   `"\u0000\u0001\u000b\u001f"`,
		`"\u0008\u0009\u000a\u000c\u000d\u0022\u005c"`: `"\b\t\n\f\r\"\\"`,
		`"\ud83d\ude00 \uD83D\uDE00"`:                  `"😀 😀"`,
		// UTF-16 would sort the surrogate pair in front.
		`{"\ud83d\ude00":1,"\uffff":2,"\ue000":3,"é":4,"z":5,"":6}`: "{\"\":6,\"z\":5,\"é\":4,\"\ue000\":3,\"\uffff\":2,\"😀\":1}",
	} {
		got, err := keymgr.Canonical([]byte(input))
		if err != nil || string(got) != want {
			t.Errorf("%q: got %q, %v; want %q", input, got, err, want)
		}
	}
}

func TestCanonicalRefuses(t *testing.T) {
	for _, input := range []string{
		"", " ", "{", "[", "[1", "[1,]", "[,1]", "{,}", `{"a":1,}`, `{"a"}`, `{"a":}`, `{a:1}`, `{'a':1}`, "nul", "True", "NaN", "Infinity", "-Infinity",
		"+1", "01", "-01", "1.", ".5", "-", "1e", "1e+", "0x1", "1_000", `"a`, `"\x41"`, `"\u12"`, "\"\t\"", "\"\n\"", "\"\x00\"", "[1 2]", "1 2", "{}{}", "[]x",
		"//c\n1", "\xef\xbb\xbf1", "\ufeff1",
		`{"a":1,"a":1}`, `{"a":1,"b":{"c":1,"c":2}}`, `[{"a":1,"\u0061":2}]`, `{"":1,"":2}`,
		"\"\xff\"", "\"\xc0\xaf\"", "\"\xed\xa0\x80\"", "{\"\xff\":1}", "\"\xf4\x90\x80\x80\"",
		`"\ud800"`, `"\udc00"`, `"\ud800\ud800"`, `"\udc00\ud800"`, `"\ud800x"`, `{"\ud800":1}`, `"\ud800\u0041"`,
		"18446744073709551616", "-9223372036854775809", "100000000000000000000", "1e309", "-1e400", "1.8e308",
		strings.Repeat("[", 33) + strings.Repeat("]", 33), strings.Repeat(`{"a":`, 33) + "1" + strings.Repeat("}", 33),
		strings.Repeat("[", 100000),
	} {
		got, err := keymgr.Canonical([]byte(input))
		if !errors.Is(err, keymgr.ErrNotCanonical) {
			t.Errorf("%.60q: got %.60q, %v; want ErrNotCanonical", input, got, err)
		}
	}
}

func TestCanonicalDepth(t *testing.T) {
	for _, input := range []string{
		strings.Repeat("[", 32) + strings.Repeat("]", 32),
		strings.Repeat(`{"a":`, 32) + "1" + strings.Repeat("}", 32),
	} {
		if got, err := keymgr.Canonical([]byte(input)); err != nil || string(got) != input {
			t.Errorf("%s: got %s, %v", input, got, err)
		}
	}
}

// An error goes to the log, a body must not.
func TestCanonicalErrorsDoNotRepeatTheBody(t *testing.T) {
	for _, input := range []string{`{"secret":1,"secret":2}`, `{"secret":secret}`, `["secret" "secret"]`, `{"secret":1}secret`, `{"secret":99999999999999999999}`} {
		if _, err := keymgr.Canonical([]byte(input)); err == nil || strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "999") {
			t.Errorf("%s: %v", input, err)
		}
	}
}

func TestCanonicalKeepsTheBody(t *testing.T) {
	input := []byte(batch(10 << 10))
	before := bytes.Clone(input)
	if _, err := keymgr.Canonical(input); err != nil || !bytes.Equal(input, before) {
		t.Errorf("the body was changed (%v)", err)
	}
}

// plain is the same rules written the slow and obvious way.
func plain(t testing.TB, out *strings.Builder, value any) {
	switch v := value.(type) {
	case map[string]any:
		names := make([]string, 0, len(v))
		for name := range v {
			names = append(names, name)
		}
		slices.Sort(names)
		for i, name := range names {
			out.WriteString(map[bool]string{true: "{", false: ","}[i == 0])
			plain(t, out, name)
			out.WriteByte(':')
			plain(t, out, v[name])
		}
		out.WriteString(map[bool]string{true: "{}", false: "}"}[len(names) == 0])
	case []any:
		out.WriteByte('[')
		for i, item := range v {
			if i > 0 {
				out.WriteByte(',')
			}
			plain(t, out, item)
		}
		out.WriteByte(']')
	case string:
		var quoted bytes.Buffer
		encoder := json.NewEncoder(&quoted)
		encoder.SetEscapeHTML(false)
		must(t, encoder.Encode(v))
		// encoding/json still escapes these two.
		text := strings.NewReplacer(`\\`, `\\`, `\u2028`, "\u2028", `\u2029`, "\u2029").Replace(quoted.String())
		out.WriteString(strings.TrimSuffix(text, "\n"))
	case json.Number:
		if !strings.ContainsAny(string(v), ".eE") {
			out.WriteString(map[bool]string{true: "0", false: string(v)}[v == "-0"])
			return
		}
		f, err := v.Float64()
		must(t, err)
		out.WriteString(plainFloat(f))
	default:
		text, err := json.Marshal(v)
		must(t, err)
		out.Write(text)
	}
}

func plainFloat(f float64) string {
	mantissa, exponent, _ := strings.Cut(strconv.FormatFloat(f, 'e', -1, 64), "e")
	n, _ := strconv.Atoi(exponent)
	if n < -5 || n > 15 {
		return mantissa + "e" + strconv.Itoa(n)
	}
	text := strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(text, ".") {
		text += ".0"
	}
	return text
}

// FuzzCanonical checks that the canonical form is the same value, is its own canonical form, and is what the obvious
// implementation makes.
func FuzzCanonical(f *testing.F) {
	for _, pair := range vectors(f, "testdata/canonical.txt") {
		f.Add([]byte(pair[0]))
	}
	f.Add([]byte(body))
	f.Add([]byte(`{"a":1,"a":1}`))
	f.Add([]byte(`"\ud800"`))
	f.Fuzz(func(t *testing.T, input []byte) {
		got, err := keymgr.Canonical(input)
		if err != nil {
			return
		}
		again, err := keymgr.Canonical(got)
		if err != nil || !bytes.Equal(again, got) {
			t.Fatalf("%q became %q, and that %q, %v", input, got, again, err)
		}
		var before, after any
		must(t, json.Unmarshal(input, &before))
		must(t, json.Unmarshal(got, &after))
		if !reflect.DeepEqual(before, after) {
			t.Fatalf("%q became %q, another value", input, got)
		}
		decoder := json.NewDecoder(bytes.NewReader(input))
		decoder.UseNumber()
		must(t, decoder.Decode(&before))
		var want strings.Builder
		plain(t, &want, before)
		if want.String() != string(got) {
			t.Fatalf("%q became\n%q, want\n%q", input, got, want.String())
		}
	})
}
