package demo_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"

	"spar/internal/audit/audittest"
	"spar/internal/demo"
	"spar/keymgr"
	"spar/mapper"
	"spar/mapper/mappertest"
	"spar/migrations/dbtest"
)

const application = "openg2p-spar-mapper"

func dependencies(t *testing.T, db *sqlx.DB, baseURL string) demo.Deps {
	t.Helper()
	directory, trail := mapper.NewDirectory(db, time.Now), audittest.New(t, db)
	return demo.Deps{
		Dir: t.TempDir(), BaseURL: baseURL, Register: keymgr.NewRegister(db, application, trail, time.Now),
		Directory: directory, Editor: mapper.NewDirectoryAdmin(directory, mapper.NewStrategies(db, time.Now), trail), Mapper: mappertest.Service(t, db), Now: time.Now,
	}
}

func prepare(t *testing.T, d demo.Deps) demo.Banner {
	t.Helper()
	banner, err := demo.Prepare(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	return banner
}

func resolve(t *testing.T, m mapper.Mapper, key string) mapper.Result {
	t.Helper()
	p, ok := demo.PersonByKey(key)
	if !ok {
		t.Fatalf("nobody is called %s", key)
	}
	results, err := m.Resolve(t.Context(), mappertest.By(demo.SampleBank), []mapper.Item{{
		ReferenceID: mapper.String("1"), Timestamp: mapper.String(time.Now().UTC().Format(time.RFC3339)),
		ID: mapper.String(p.MapperID()), Scope: mapper.String("details"),
	}})
	if err != nil {
		t.Fatal(err)
	}
	return results[0]
}

func TestPrepareFillsAnEmptyRegistry(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *sqlx.DB) {
		d := dependencies(t, db, "http://127.0.0.1:8080")
		prepare(t, d)

		if r := resolve(t, d.Mapper, "siobhan-okeefe"); r.Code != mapper.IDActive || r.FA != "account:4400127731@101001.BANKA.bank_acc" ||
			r.Provider == nil || r.Provider.Name != "Sample Bank A" {
			t.Errorf("linked by the bank: %+v", r)
		}
		if r := resolve(t, d.Mapper, "kwame-mensah"); r.Code != mapper.IDActive || r.Provider == nil || r.Provider.Name != "Kito Mobile Money" {
			t.Errorf("linked by themself: %+v", r)
		}
		if r := resolve(t, d.Mapper, "zofia-krol"); r.Provider == nil || r.Provider.Name != "Dovrin Household Bank" {
			t.Errorf("about to move her account: %+v", r)
		}
		if r := resolve(t, d.Mapper, "amina-diallo"); r.Code != mapper.IDNotFound {
			t.Errorf("not linked: %+v", r)
		}
		for _, want := range []mapper.Branch{
			{DFSP: "BANKA", Code: "101001", Town: "Solvenna City"},
			{DFSP: "HARBVALE", Code: "102002", Town: "Port Marisol"},
			{DFSP: "DOVRINHB", Code: "107002", Town: "Dovrin"},
		} {
			got, err := d.Directory.Branch(t.Context(), want.DFSP, want.Code)
			if err != nil || got.Town != want.Town {
				t.Errorf("branch of an existing link: got %+v, %v", got, err)
			}
		}

		partners, err := d.Register.List(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, p := range partners {
			got = append(got, p.ReferenceID+" "+string(p.Status))
			if len(p.Certificates) != 1 || p.Certificates[0].Algorithm != "RS256" {
				t.Errorf("%s: certificates %+v", p.ReferenceID, p.Certificates)
			}
			key := filepath.Join(d.Dir, "partners", p.ReferenceID, "key.pem")
			if info, err := os.Stat(key); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("%s: key %v, %v", p.ReferenceID, info, err)
			}
		}
		if want := "FAMILY-GRANTS active, PARTNER-A active, PARTNER-B suspended"; strings.Join(got, ", ") != want {
			t.Errorf("got %s, want %s", strings.Join(got, ", "), want)
		}
	})
}

func TestSampleBankMayDoEverythingAndTheProgrammeOnlyAsk(t *testing.T) {
	d := dependencies(t, dbtest.SQLite(t), "http://127.0.0.1:8080")
	prepare(t, d)
	for reference, want := range map[string]int{demo.SampleBank: 5, "FAMILY-GRANTS": 1, "PARTNER-B": 0} {
		p, err := d.Register.Get(t.Context(), reference)
		if err != nil {
			t.Fatal(err)
		}
		allowed := 0
		for _, permission := range keymgr.AllPermissions() {
			if p.Allows(permission) {
				allowed++
			}
		}
		if allowed != want {
			t.Errorf("%s may do %d things, want %d", reference, allowed, want)
		}
	}
}

func TestSecondStartKeepsEverything(t *testing.T) {
	d := dependencies(t, dbtest.SQLite(t), "http://127.0.0.1:8080")
	first := prepare(t, d)
	before, err := d.Register.Get(t.Context(), demo.SampleBank)
	if err != nil {
		t.Fatal(err)
	}

	p, _ := demo.PersonByKey("jose-nunez")
	if r, err := d.Mapper.Unlink(t.Context(), mappertest.By("SPAR-SELF-SERVICE"), []mapper.Item{{
		ReferenceID: mapper.String("1"), Timestamp: mapper.String(time.Now().UTC().Format(time.RFC3339)), ID: mapper.String(p.MapperID()),
	}}); err != nil || r[0].Status != mapper.Succeeded {
		t.Fatalf("unlink: %+v, %v", r, err)
	}
	renamed := mapper.DFSP{Code: "HARBVALE", Name: "Renamed Bank", Kind: mapper.Bank, Active: true}
	if err := d.Directory.Load(t.Context(), []mapper.DFSP{renamed}, nil); err != nil {
		t.Fatal(err)
	}
	if err := d.Register.RevokeCertificate(t.Context(), audittest.By, "FAMILY-GRANTS", fingerprint(t, d, "FAMILY-GRANTS")); err != nil {
		t.Fatal(err)
	}
	if err := d.Register.SetStatus(t.Context(), audittest.By, "PARTNER-B", keymgr.Active); err != nil {
		t.Fatal(err)
	}

	if second := prepare(t, d); second != first {
		t.Errorf("banner: got %+v, want %+v", second, first)
	}
	after, err := d.Register.Get(t.Context(), demo.SampleBank)
	if err != nil {
		t.Fatal(err)
	}
	if len(after.Certificates) != 1 || after.Certificates[0].Fingerprint != before.Certificates[0].Fingerprint || !after.ChangedAt.Equal(before.ChangedAt) {
		t.Errorf("sample bank: got %+v, want %+v", after, before)
	}
	if r := resolve(t, d.Mapper, "jose-nunez"); r.Code != mapper.IDNotFound {
		t.Errorf("somebody was linked again: %+v", r)
	}
	if got, err := d.Directory.Provider(t.Context(), "HARBVALE"); err != nil || got.Name != "Renamed Bank" {
		t.Errorf("provider: %+v, %v", got, err)
	}
	if p, err := d.Register.Get(t.Context(), "FAMILY-GRANTS"); err != nil || len(p.Certificates) != 1 || p.Certificates[0].RevokedAt.IsZero() {
		t.Errorf("revoked certificate: %+v, %v", p, err)
	}
	if p, err := d.Register.Get(t.Context(), "PARTNER-B"); err != nil || p.Status != keymgr.Active {
		t.Errorf("activated partner: %+v, %v", p, err)
	}
}

func fingerprint(t *testing.T, d demo.Deps, reference string) string {
	t.Helper()
	p, err := d.Register.Get(t.Context(), reference)
	if err != nil || len(p.Certificates) == 0 {
		t.Fatalf("%s: %v", reference, err)
	}
	return p.Certificates[0].Fingerprint
}

func TestStartThatWasCutShortIsCompleted(t *testing.T) {
	d := dependencies(t, dbtest.SQLite(t), "http://127.0.0.1:8080")
	providers, branches, err := demo.Directory()
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Directory.Load(t.Context(), providers, branches[:10]); err != nil {
		t.Fatal(err)
	}
	p, _ := demo.PersonByKey("siobhan-okeefe")
	if r, err := d.Mapper.Link(t.Context(), mappertest.By(demo.SampleBank), []mapper.Item{{
		ReferenceID: mapper.String("1"), Timestamp: mapper.String(time.Now().UTC().Format(time.RFC3339)),
		ID: mapper.String(p.MapperID()), FA: mapper.String("account:4400127731@101001.BANKA.bank_acc"),
	}}); err != nil || r[0].Status != mapper.Succeeded {
		t.Fatalf("link: %+v, %v", r, err)
	}
	prepare(t, d)
	if r := resolve(t, d.Mapper, "kwame-mensah"); r.Code != mapper.IDActive {
		t.Errorf("got %+v", r)
	}
	last := branches[len(branches)-1]
	if _, err := d.Directory.Branch(t.Context(), last.DFSP, last.Code); err != nil {
		t.Error(err)
	}
}

func TestLostPartnerKeyIsReplaced(t *testing.T) {
	d := dependencies(t, dbtest.SQLite(t), "http://127.0.0.1:8080")
	prepare(t, d)
	old := fingerprint(t, d, demo.SampleBank)
	if err := os.Remove(filepath.Join(d.Dir, "partners", demo.SampleBank, "key.pem")); err != nil {
		t.Fatal(err)
	}
	prepare(t, d)
	p, err := d.Register.Get(t.Context(), demo.SampleBank)
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Certificates) != 2 || p.Certificates[0].Fingerprint == p.Certificates[1].Fingerprint || old == "" {
		t.Errorf("certificates: %+v", p.Certificates)
	}
}

// The command in the banner is signed by the key of the registered certificate: the key manager itself says so.
func TestPrintedResolveIsVerified(t *testing.T) {
	db := dbtest.SQLite(t)
	d := dependencies(t, db, "")
	verifier := keymgr.NewLocal(d.Register)
	var verified int
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		p, err := verifier.Verify(r.Context(), keymgr.Signed{Sender: demo.SampleBank, Signature: r.Header.Values("Signature"), Body: body})
		if err != nil || !p.Allows(keymgr.Details) {
			t.Errorf("%+v, %v", p, err)
			return
		}
		verified++
	}))
	t.Cleanup(server.Close)
	d.BaseURL = server.URL
	banner := prepare(t, d)
	for _, command := range []string{banner.Resolve(), banner.Resolve()} {
		paste(t, command)
	}
	if verified != 2 {
		t.Errorf("%d calls were verified", verified)
	}
}

func TestBannerTellsEverything(t *testing.T) {
	b := demo.Banner{BaseURL: "http://127.0.0.1:8080", Dir: "/tmp/demo", KeyPath: "/tmp/demo/partners/PARTNER-A/key.pem"}
	text := b.String()
	for _, p := range demo.People() {
		if !strings.Contains(text, p.Name) || !strings.Contains(text, demo.GroupedID(p.NationalID)) {
			t.Errorf("%s is missing", p.Name)
		}
	}
	for _, want := range []string{b.BaseURL, b.Dir, b.Resolve(), "token:9903316482@nationalid"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing", want)
		}
	}
	for line := range strings.Lines(text) {
		if trimmed := strings.TrimRight(line, "\n"); trimmed != strings.TrimRight(trimmed, " ") {
			t.Errorf("trailing space: %q", line)
		}
	}
}
