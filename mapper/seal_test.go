package mapper

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestRecordsOfEveryFormatAreRead: format 1 is what was sealed before records had an e-mail address.
func TestRecordsOfEveryFormatAreRead(t *testing.T) {
	first := "\x01\x12token:1@nationalid#account:12345678@001.ALPHA.bank_acc\x05ALPHA\x00\x03001\x04bank\x04Asha\x0c+15550100123\x03eng" +
		"\x01\x01n\x07{\"k\":1}"
	want := record{
		id: "token:1@nationalid", fa: "account:12345678@001.ALPHA.bank_acc", dfsp: "ALPHA", branch: "001", kind: Bank, name: "Asha",
		phone: "+15550100123", locale: "eng", info: []Attribute{{Name: "n", Value: []byte(`{"k":1}`)}},
	}
	same := cmp.AllowUnexported(record{})
	got, err := decodeRecord([]byte(first))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, same); diff != "" {
		t.Errorf("format 1 (-want +got):\n%s", diff)
	}
	want.email = "asha@example.org"
	encoded := want.encode()
	if got, err = decodeRecord(encoded); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, same); diff != "" {
		t.Errorf("the format written (-want +got):\n%s", diff)
	}
	for name, broken := range map[string][]byte{
		"nothing": {}, "format 0": []byte("\x00" + first[1:]), "a later format": []byte("\x03" + first[1:]), "cut": encoded[:len(encoded)-1],
		"more": append([]byte(first), 0), "format 1 with an address": append([]byte{1}, encoded[1:]...), "format 2 without": []byte("\x02" + first[1:]),
	} {
		if got, err := decodeRecord(broken); err == nil {
			t.Errorf("%s was read as %+v", name, got)
		}
	}
}
