package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"spar/keymgr"
	"spar/migrations/dbtest"
)

// These tests do what docs/partners.md says, as a partner who has nothing else: its commands and programs are run as they
// stand there, on a real registry.

const guideFile = "docs/partners.md"

// asSpar makes the test's own binary the spar command, so that the guide's commands find one.
const asSpar = "RUN_AS_SPAR"

func TestMain(m *testing.M) {
	if os.Getenv(asSpar) != "" {
		os.Exit(run(context.Background(), os.Args[1:], os.Environ(), os.Stdin, os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

// guideBlock is a fenced block of the guide.
type guideBlock struct {
	heading  string // the last one above it
	language string
	text     string
}

// file is the name under which the reader saves a program, which is in its first line.
func (b guideBlock) file() string {
	name := regexp.MustCompile(`^(?:#|//) ([A-Za-z]+\.(?:sh|py|java|mjs|go)) `).FindStringSubmatch(b.text)
	if name == nil {
		return ""
	}
	return name[1]
}

func guideBlocks(t *testing.T) (blocks []guideBlock) {
	t.Helper()
	var b *guideBlock
	heading := ""
	for line := range strings.Lines(readText(t, guideFile)) {
		switch {
		case strings.HasPrefix(line, "```") && b != nil:
			blocks, b = append(blocks, *b), nil
		case strings.HasPrefix(line, "```"):
			b = &guideBlock{heading: heading, language: strings.TrimSpace(line[3:])}
		case b != nil:
			b.text += line
		case strings.HasPrefix(line, "#"):
			heading = strings.TrimSpace(strings.TrimLeft(line, "#"))
		}
	}
	return blocks
}

// reader follows the guide in a folder of its own.
type reader struct {
	blocks   []guideBlock
	dir      string
	environ  []string
	registry string
	ran      *sync.Map // commands that were tried
}

// newReader saves the guide's programs, and puts a spar command for the host's part and a suitable python3 on the path.
func newReader(t *testing.T, server *running) *reader {
	t.Helper()
	r := &reader{blocks: guideBlocks(t), dir: t.TempDir(), registry: server.cfg.BaseURL, ran: new(sync.Map)}
	for _, b := range r.blocks {
		if b.file() != "" {
			r.write(t, b.file(), b.text, 0o600)
		}
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	commands := t.TempDir()
	script := fmt.Sprintf("#!/bin/sh\nexport %s=1 SPAR_DATABASE__URL='%s' SPAR_KEYS__DIR='%s'\nexec '%s' \"$@\"\n", asSpar, server.cfg.Database.URL, server.cfg.Keys.Dir, self)
	if python := pythonWithCryptography(t); python != "" {
		r.write(t, filepath.Join(commands, "python3"), "#!/bin/sh\nexec '"+python+"' \"$@\"\n", 0o700)
	}
	r.write(t, filepath.Join(commands, "spar"), script, 0o700)
	r.environ = append(os.Environ(), "PATH="+commands+":"+os.Getenv("PATH"),
		"GOFLAGS=", "JAVA_TOOL_OPTIONS=-XX:TieredStopAtLevel=1 -XX:+UseSerialGC") // the latter for a quick start
	return r
}

func (r *reader) write(t *testing.T, name, content string, mode os.FileMode) {
	t.Helper()
	if !filepath.IsAbs(name) {
		name = filepath.Join(r.dir, name)
	}
	if err := os.WriteFile(name, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
}

func (r *reader) read(t *testing.T, name string) string {
	t.Helper()
	return readText(t, filepath.Join(r.dir, name))
}

// commands returns the commands under a heading.
func (r *reader) commands(t *testing.T, heading string) (texts []string) {
	t.Helper()
	for _, b := range r.blocks {
		if b.heading == heading && b.language == "sh" && b.file() == "" {
			texts = append(texts, b.text)
		}
	}
	if len(texts) == 0 {
		t.Fatalf("%s has no commands under %q", guideFile, heading)
	}
	return texts
}

// sh runs commands in the folder, with the variables of the guide set for this registry.
func (r *reader) sh(t *testing.T, registry, commands string) (stdout, stderr string, err error) {
	t.Helper()
	variables := r.commands(t, "3. Sign and send a call")[0]
	shell := exec.CommandContext(t.Context(), "sh", "-eu")
	shell.Stdin = strings.NewReader(strings.Replace(variables, "https://spar.example.org", registry, 1) + commands)
	shell.Dir, shell.Env = r.dir, r.environ
	var out, errs bytes.Buffer
	shell.Stdout, shell.Stderr = &out, &errs
	err = shell.Run()
	return out.String(), errs.String(), err
}

// do runs commands of the guide that must succeed.
func (r *reader) do(t *testing.T, commands string) (stdout, stderr string) {
	t.Helper()
	stdout, stderr, err := r.sh(t, r.registry, commands)
	if err != nil {
		t.Fatalf("%s\n%v\n%s%s", commands, err, stdout, stderr)
	}
	r.ran.Store(commands, true)
	return stdout, stderr
}

// hasCommand reports whether a program is there, says so if not, and fails if it has to be.
func hasCommand(t *testing.T, name string) bool {
	t.Helper()
	if name == "python3" {
		return pythonWithCryptography(t) != ""
	}
	_, err := exec.LookPath(name)
	if err != nil && os.Getenv(dbtest.RequireVariable) != "" {
		t.Fatal(err)
	}
	if err != nil {
		t.Logf("%v: what needs it is not tried", err)
	}
	return err == nil
}

// pythonWithCryptography finds a Python that has the package, which the first one on the path may not have.
func pythonWithCryptography(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"python3", "/usr/bin/python3"} {
		path, err := exec.LookPath(name)
		if err == nil && exec.CommandContext(t.Context(), path, "-c", "import cryptography").Run() == nil {
			return path
		}
	}
	if os.Getenv(dbtest.RequireVariable) != "" {
		t.Fatal("no python3 has the package cryptography")
	}
	t.Log("no python3 has the package cryptography: what needs it is not tried")
	return ""
}

// languages are the headings under which programs are, with the command that each needs.
func languages() map[string]string {
	return map[string]string{"Shell": "curl", "Python": "python3", "Java": "java", "Node": "node", "Go": "go"}
}

func TestPartnersCanFollowTheGuide(t *testing.T) {
	if !hasCommand(t, "openssl") || !hasCommand(t, "curl") {
		return
	}
	server := start(t, testConfig(t, dbtest.SQLiteURL(t)))
	r := newReader(t, server)
	onboardByTheGuide(t, r)
	t.Run("programs", func(t *testing.T) {
		for name, command := range languages() {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				if hasCommand(t, command) {
					callByTheGuide(t, r, name)
				}
			})
		}
	})
	t.Run("answer", func(t *testing.T) { proveByTheGuide(t, r) })
	t.Run("liars", func(t *testing.T) { liesAreFoundOut(t, r) })
	t.Run("other keys", func(t *testing.T) { callWithOtherKeys(t, r) })
	t.Run("failures", func(t *testing.T) { failuresAreInTheGuide(t, r) })
	t.Run("limits", func(t *testing.T) {
		answer, _ := r.do(t, r.commands(t, "6. Limits")[0])
		sameShape(t, r.sample(t, "6. Limits"), answer)
	})
	t.Run("rotation", func(t *testing.T) { rotateByTheGuide(t, r) })
	for _, b := range r.blocks {
		if _, ran := r.ran.Load(b.text); !ran && b.language == "sh" && b.file() == "" && !strings.HasPrefix(b.text, "export ") {
			t.Errorf("these commands under %q were not tried:\n%s", b.heading, b.text)
		}
	}
}

// onboardByTheGuide makes a key, and has it registered.
func onboardByTheGuide(t *testing.T, r *reader) {
	r.do(t, r.commands(t, "1. Make a key and a certificate")[0])
	if info, err := os.Stat(filepath.Join(r.dir, "key.pem")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("key.pem: %v, %v; others may read it", info.Mode(), err)
	}
	steps := r.commands(t, "2. Send the certificate, compare the fingerprint")
	printed, _ := r.do(t, steps[0])
	_, fingerprint, _ := strings.Cut(strings.TrimSpace(printed), "=")
	if host, _ := r.do(t, steps[1]); len(fingerprint) != 95 || !strings.Contains(host, fingerprint) {
		t.Errorf("the partner sees the fingerprint %s, the host:\n%s", fingerprint, host)
	}
	if status, _ := r.post(t, signedResolve("BANK-C"), "key.pem", nil); status != http.StatusUnauthorized {
		t.Errorf("before the phone call: %d", status)
	}
	r.do(t, steps[2])
	if !r.becomes(t, http.StatusOK, "key.pem", "BANK-C") {
		t.Fatal("the partner is not accepted after five seconds")
	}
}

// becomes waits, up to the five seconds that are promised, until calls with a key are answered with a status.
func (r *reader) becomes(t *testing.T, status int, keyFile, sender string) bool {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); {
		if got, _ := r.post(t, signedResolve(sender), keyFile, nil); got == status {
			return true
		}
	}
	return false
}

// post sends a resolve that is signed with a key of the folder, as change leaves it.
func (r *reader) post(t *testing.T, body, keyFile string, change func(*http.Request)) (status int, code string) {
	t.Helper()
	key, err := keymgr.LoadKey(filepath.Join(r.dir, keyFile))
	if err != nil {
		t.Fatal(err)
	}
	signature, err := keymgr.Sign(key, []byte(body), true)
	if err != nil {
		t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.registry+"/mapper/sync/resolve", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header = http.Header{"Content-Type": {"application/json"}, "Signature": {signature}}
	if change != nil {
		change(request)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	var failure struct{ Errors []struct{ Code string } }
	if json.Unmarshal(content, &failure) == nil && len(failure.Errors) == 1 {
		code = failure.Errors[0].Code
	}
	return response.StatusCode, code
}

// answered is what the programs print.
type answered struct {
	Message struct {
		Linked   []struct{ Status string } `json:"link_response"`
		Resolved []struct {
			FA   string
			Code string `json:"status_reason_code"`
		} `json:"resolve_response"`
	}
}

func callByTheGuide(t *testing.T, r *reader, heading string) {
	commands := r.commands(t, heading)[0]
	stdout, stderr := r.do(t, commands)
	address := regexp.MustCompile(`account:\S+`).FindString(commands)
	printed := json.NewDecoder(strings.NewReader(stdout))
	var link, resolve answered
	if err := printed.Decode(&link); err != nil {
		t.Fatalf("%v\n%s%s", err, stdout, stderr)
	}
	if err := printed.Decode(&resolve); err != nil {
		t.Fatalf("%v\n%s%s", err, stdout, stderr)
	}
	if items := link.Message.Linked; len(items) != 1 || items[0].Status != "succ" {
		t.Errorf("link: %s", stdout)
	}
	if items := resolve.Message.Resolved; len(items) != 1 || items[0].FA != address || items[0].Code != "succ.id.active" {
		t.Errorf("resolve: %s", stdout)
	}
}

// proveByTheGuide looks at the shell's files, which the guide explains, and at its proofs.
func proveByTheGuide(t *testing.T, r *reader) {
	sameShape(t, r.sample(t, "3. Sign and send a call"), r.read(t, "body.json"))
	sameShape(t, r.sample(t, "4. Read the answer, and prove it"), r.read(t, "answer.json"))
	stdout, stderr := r.do(t, r.commands(t, "With openssl")[0])
	if strings.Count(stdout+stderr, "Verified OK") != 2 || !strings.HasSuffix(stdout, "as it should be\n") {
		t.Errorf("verify.sh said:\n%s%s", stdout, stderr)
	}
	verify, check := r.commands(t, "401 err.signature.invalid")[0], r.commands(t, "401 err.signature.invalid")[1]
	if stdout, _ = r.do(t, check); stdout != "header: {\"alg\":\"RS256\",\"typ\":\"JWT\"}\nVerified OK\n" {
		t.Errorf("check.sh said:\n%s", stdout)
	}
	if stdout, _ = r.do(t, verify); !strings.HasSuffix(stdout, "\nverified\n") {
		t.Errorf("spar verify said:\n%s", stdout)
	}
	r.write(t, "body.json", strings.TrimSuffix(r.read(t, "body.json"), "\n"), 0o600)
	if stdout, _, err := r.sh(t, r.registry, check); err == nil {
		t.Errorf("check.sh accepts a changed body: %s", stdout)
	}
	stdout, _, err := r.sh(t, r.registry, verify)
	hint := regexp.MustCompile(`(?m)^    (Hint .*)$`).FindStringSubmatch(readText(t, guideFile))
	if err == nil || hint == nil || !strings.Contains(stdout, "\n"+hint[1]+"\n") {
		t.Errorf("spar verify does not say %q about a lost line break: %v\n%s", hint, err, stdout)
	}
}

// sample returns the JSON under a heading.
func (r *reader) sample(t *testing.T, heading string) string {
	t.Helper()
	i := slices.IndexFunc(r.blocks, func(b guideBlock) bool { return b.heading == heading && b.language == "json" })
	if i < 0 {
		t.Fatalf("%s has no JSON under %q", guideFile, heading)
	}
	return r.blocks[i].text
}

// sameShape compares which members there are, at any depth.
func sameShape(t *testing.T, sample, real string) {
	t.Helper()
	written, is := memberPaths(t, sample), memberPaths(t, real)
	if !slices.Equal(written, is) {
		t.Errorf("the guide shows\n%v\nbut there is\n%v", written, is)
	}
}

func memberPaths(t *testing.T, text string) []string {
	t.Helper()
	var value any
	if err := json.Unmarshal([]byte(text), &value); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	paths := map[string]bool{}
	var walk func(path string, value any)
	walk = func(path string, value any) {
		switch value := value.(type) {
		case map[string]any:
			for name, member := range value {
				walk(path+"."+name, member)
			}
		case []any:
			for _, member := range value {
				walk(path+"[]", member)
			}
		default:
			paths[fmt.Sprintf("%s %T", path, value)] = true
		}
	}
	walk("", value)
	return slices.Sorted(maps.Keys(paths))
}
