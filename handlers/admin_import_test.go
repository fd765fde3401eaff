package handlers_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"spar/web"
)

const importList = "bank_code,branch_code,name,town\n" +
	"GREENVAL,001,Market Square,Kitemba\n" + // as it is
	"GREENVAL,002,Harbour View,Port Marisol\n" + // another name
	"GREENVAL,003,Old Mill,Kitemba\n" + // closed
	"GREENVAL,004,New Mill,Kitemba\n"

// A list is shown first, applied once, and given up or refused without a trace.
func TestImportAList(t *testing.T) {
	h := newHouse(t)
	b := h.signedIn(t, inês)
	s := b.get("/admin/directory/import").shows(http.StatusOK, "Import a list")
	s = b.sendList(s, url.Values{"complete": {"yes"}}, importList)
	path := s.header.Get("Location")
	if s.status != http.StatusSeeOther || !strings.HasPrefix(path, "/admin/directory/import/") {
		t.Fatalf("status %d to %s\n%s", s.status, path, s.body)
	}
	preview := b.get(path).shows(http.StatusOK, "What this list would change")
	for place, want := range []string{"1", "2", "1", "1"} { // new, changed, closed, as they were
		if got := preview.Find(".figures dd").Eq(place).Text(); got != want {
			t.Errorf("figure %d is %s, want %s", place+1, got, want)
		}
	}
	text := preview.text("main")
	for _, want := range []string{
		"New Mill GREENVAL 004", "GREENVAL 002 NameHarbour Harbour View", "GREENVAL 003 Open or closedClosed Open", "Main CLOSED 001", "Make these 4 changes",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in %s", want, text)
		}
	}
	if got := h.lastEvent(t); strings.Contains(got, "directory") {
		t.Errorf("a list that is only shown is in the log: %s", got)
	}
	auditor := h.signedIn(t, tomás)
	if s := auditor.get(path).shows(http.StatusOK, "What this list would change"); s.Find("main form").Length() != 0 {
		t.Error("an auditor is offered to apply it")
	}
	digest := preview.Find("input[name=digest]").AttrOr("value", "")
	auditor.send(http.MethodPost, path, url.Values{web.FormTokenField: {auditor.formToken()}, "digest": {digest}}).shows(http.StatusForbidden, "Only administrators can do this")
	b.send(http.MethodPost, path, url.Values{"digest": {digest}}).shows(http.StatusForbidden, "We could not accept that")
	b.send(http.MethodPost, path, url.Values{web.FormTokenField: {b.formToken()}, "digest": {"0"}}).shows(http.StatusConflict, "This is not the list that was shown")

	apply := "main form[action='" + path + "']"
	done := b.leadsTo(b.submit(preview, apply, nil), path).shows(http.StatusOK, "The list is in the directory").has("#flash p", "The list is in the directory.")
	if done.Find("main form").Length() != 0 {
		t.Error("it can be applied once more")
	}
	if got := h.lastEvent(t); !strings.Contains(got, "s-3 directory.import directory: version ") {
		t.Errorf("the log says %s", got)
	}
	head, _ := h.trail.Head(t.Context())
	b.leadsTo(b.submit(preview, apply, nil), path) // the button pressed twice, or Back
	if after, err := h.trail.Head(t.Context()); err != nil || after.Seq != head.Seq {
		t.Errorf("applied twice: %v", err)
	}
	b.get("/admin/directory/providers/GREENVAL").has("#branches tbody tr:nth-child(2) th a", "Harbour View")
	b.get("/admin/directory/providers/CLOSED").has("#branches .tag", "Closed")
	if s := b.get("/admin/audit?action=directory."); !strings.Contains(s.text("tbody th"), "List imported into the directory") {
		t.Errorf("the audit log shows %s", s.text("main"))
	}
}

// The directory of somebody else's change is not the one that was shown.
func TestStaleImport(t *testing.T) {
	h := newHouse(t)
	b, other := h.signedIn(t, inês), h.signedIn(t, olga)
	path := b.sendList(b.get("/admin/directory/import"), nil, importList).header.Get("Location")
	preview := b.get(path)
	s := other.get("/admin/directory/providers/GREENVAL/edit")
	other.leadsTo(other.submit(s, "main form", url.Values{"name": {"Green"}}), "/admin/directory/providers/GREENVAL")
	stale := b.submit(preview, "main form[action='"+path+"']", nil).shows(http.StatusConflict, "What this list would change")
	if !strings.Contains(stale.text(".notice-error"), "The directory was changed since") || stale.Find("main form[action='"+path+"']").Length() != 0 {
		t.Errorf("it says %s", stale.text("main"))
	}
	b.get("/admin/directory/providers/GREENVAL").has("#branches tbody tr:nth-child(2) th a", "Harbour")
	b.leadsTo(b.submit(stale, "main form[action='"+path+"/discard']", nil), "/admin/directory").has("#flash p", "The list is given up. Nothing was changed.")
	b.get(path).shows(http.StatusNotFound, "This list is not here any more")

	path = b.sendList(b.get("/admin/directory/import"), nil, importList).header.Get("Location")
	preview = b.get(path)
	h.later(4*time.Hour + time.Second)
	b.logIn(inês)
	preview.Find("input[name="+web.FormTokenField+"]").SetAttr("value", b.formToken())
	b.submit(preview, "main form[action='"+path+"']", nil).shows(http.StatusNotFound, "This list is not here any more")
}

// Whatever is sent, the page says what to do, by line where it is about a line, and nothing is changed.
func TestListsToCorrect(t *testing.T) {
	h := newHouse(t)
	b := h.signedIn(t, inês)
	form := b.get("/admin/directory/import")
	head := "bank_code,branch_code,name\n"
	for name, test := range map[string]struct {
		list   string
		values url.Values
		wants  string
	}{
		"nothing":            {wants: "Choose a file or paste the list"},
		"empty":              {list: "\ufeff", wants: "The file is empty. Its first line must name the columns."},
		"UTF-16":             {list: "\xff\xfeb\x00", wants: "The file is not UTF-8. Save it as CSV UTF-8 and try again."},
		"a picture":          {list: "\x89PNG\r\n\x1a\n", wants: "The file is not UTF-8. Save it as CSV UTF-8 and try again."},
		"other columns":      {list: "a,b\n1,2\n", wants: "The first line does not name the columns of a list of branches or of providers. Compare it with the columns below."},
		"a quote left open":  {list: head + "GREENVAL,9,\"" + strings.Repeat("x\n", 100<<10), wants: "A line of the file is longer than 64 KB. Probably a quotation mark is not closed."},
		"more than is taken": {list: head + strings.Repeat("GREENVAL,9,Nine\n", 1<<20/16+1), wants: "The file is larger than 1 MB. Split it, or ask for a higher limit."},
		"a long text":        {values: url.Values{"text": {strings.Repeat("x", 1<<20+1)}}, wants: "The text is longer than 1 MB. Save it as a file and upload that."},
	} {
		t.Run(name, func(t *testing.T) {
			s := b.sendList(form, test.values, test.list)
			s.t = t
			s.shows(http.StatusUnprocessableEntity, "Import a list").has(".error-summary a", test.wants)
		})
	}
	s := b.sendList(form, nil, head+"GREENVAL,9 9,Nine\nNOBODY,1,One\nGREENVAL,8,=HYPERLINK(\"x\")\nGREENVAL,7,<script>alert(1)</script>\nGREENVAL,7,Twice\nGREENVAL,6,Nul\x00\nGREENVAL,5,Caf\xe9\n")
	s = b.get(s.header.Get("Location")).shows(http.StatusOK, "What this list would change").lacks("<script>alert")
	for _, want := range []string{
		"2 Branch code can have letters", "3 The bank NOBODY is not in the directory.", "4 The quotation marks on this line", "6 The same code is on line 5.",
		"7 Name has characters that cannot be seen.", "8 Name has characters that are not UTF-8.",
	} {
		if text := s.text("main table:first-of-type"); !strings.Contains(text, want) {
			t.Errorf("%q is not in %s", want, text)
		}
	}
	if lines := b.get(s.Find("a[href$='problems.csv']").AttrOr("href", "")); !strings.HasPrefix(lines.body, "line,problem\n2,") || !strings.HasPrefix(lines.header.Get("Content-Type"), "text/csv") {
		t.Errorf("the file of lines to correct: %s", lines.body)
	}
	complete := b.sendList(form, url.Values{"complete": {"yes"}}, head+"GREENVAL,001,Market Square\nGREENVAL,9 9,Nine\n")
	complete = b.get(complete.header.Get("Location"))
	if complete.Find("input[name=digest]").Length() != 0 || !strings.Contains(complete.text(".notice-error"), "cannot be applied while lines of it are wrong") {
		t.Errorf("a complete list with a wrong line: %s", complete.text("main"))
	}
	h.unchanged(t, 1, "a list to correct")
}

// A list can be pasted, and what is written out can be read in.
func TestPasteAndDownload(t *testing.T) {
	h := newHouse(t)
	b := h.signedIn(t, inês)
	s := b.sendList(b.get("/admin/directory/import"), url.Values{"text": {strings.ReplaceAll("code;name;kind\nEVIL;'=1+1;bank\n", "\n", "\r\n")}}, "")
	s = b.get(s.header.Get("Location")).shows(http.StatusOK, "What this list would change")
	b.leadsTo(b.submit(s, "main form:first-of-type", nil), s.path)
	for _, name := range []string{"providers", "branches"} {
		file := h.signedIn(t, tomás).get("/admin/directory/" + name + ".csv")
		if file.status != http.StatusOK || file.header.Get("Content-Disposition") != `attachment; filename="`+name+`.csv"` {
			t.Errorf("%s: status %d, %s", name, file.status, file.header.Get("Content-Disposition"))
		}
		if name == "providers" && !strings.Contains(file.body, "EVIL,'=1+1,bank,,true\n") {
			t.Errorf("a cell begins like a formula: %s", file.body)
		}
		s = b.sendList(b.get("/admin/directory/import"), url.Values{"complete": {"yes"}}, file.body)
		if s = b.get(s.header.Get("Location")); !strings.Contains(s.text(".notice-error"), "This list would change nothing") {
			t.Errorf("%s, read in, would be %s", name, s.text("main"))
		}
	}
}

// A list that another site makes the browser send, or whose form is not ours, is not even read.
func TestForgedLists(t *testing.T) {
	h := newHouse(t)
	b := h.signedIn(t, inês)
	token := b.formToken()
	const path = "/admin/directory/import"
	b.sendParts(path, "", nil, importList).shows(http.StatusForbidden, "We could not accept that")
	b.sendParts(path, token+"x", nil, importList).shows(http.StatusForbidden, "We could not accept that")
	b.sendParts(path, strings.Repeat(token, 100), nil, importList).shows(http.StatusForbidden, "We could not accept that")
	for _, header := range []http.Header{{"Sec-Fetch-Site": {"cross-site"}}, {"Origin": {"https://evil.example"}}} {
		other := &browser{t: t, portal: b.portal, client: b.client, header: header}
		other.sendParts(path, token, nil, importList).shows(http.StatusForbidden, "We could not accept that")
	}
	auditor := h.signedIn(t, tomás)
	auditor.sendParts(path, auditor.formToken(), nil, importList).shows(http.StatusForbidden, "Only administrators can do this")
	nobody := h.browser(t)
	if s := nobody.sendParts(path, nobody.formToken(), nil, importList); s.status != http.StatusSeeOther || !strings.HasPrefix(s.header.Get("Location"), "/auth/login/staff") {
		t.Errorf("nobody: status %d to %s", s.status, s.header.Get("Location"))
	}
	for name, body := range map[string]string{"no parts": "", "no end": "--x\r\nContent-Disposition: form-data; name=\"form_token\"\r\n\r\n" + token} {
		if s := b.sendAs(http.MethodPost, path, "multipart/form-data; boundary=x", strings.NewReader(body)); s.status < 400 || s.status >= 500 {
			t.Errorf("%s: status %d", name, s.status)
		}
	}
	cut := "--x\r\nContent-Disposition: form-data; name=\"form_token\"\r\n\r\n" + token + "\r\n--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.csv\"\r\n\r\n" + importList
	b.sendAs(http.MethodPost, path, "multipart/form-data; boundary=x", strings.NewReader(cut)).
		shows(http.StatusUnprocessableEntity, "Import a list").has(".error-summary a", "The file did not arrive whole. Send it again.")
	b.send(http.MethodPost, path, url.Values{web.FormTokenField: {token}, "text": {importList}}).shows(http.StatusUnprocessableEntity, "Import a list")
	var kept int
	if err := h.db.Get(&kept, `SELECT COUNT(*) FROM directory_imports WHERE state = 'ready'`); err != nil || kept != 0 {
		t.Errorf("%d lists kept, %v", kept, err)
	}
	h.later(16 * time.Minute)
	if s := b.sendParts(path, token, nil, importList); s.status != http.StatusSeeOther || s.header.Get("Location") != "/auth/login/staff" {
		t.Errorf("with an old login: status %d to %q", s.status, s.header.Get("Location"))
	}
}
