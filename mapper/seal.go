package mapper

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/tink-crypto/tink-go/v2/prf"
	"github.com/tink-crypto/tink-go/v2/tink"
)

// Sealer keeps what identifies a person out of the database: records are sealed, look-ups go by keyed hash.
type Sealer struct {
	Records tink.AEAD // seals records; the ciphertext names its key, so that keys can be rotated
	Lookup  *prf.Set  // hashes IDs and financial addresses
}

const keySize = 16

// key is a keyed hash: a primary key that is short, evenly spread, and says nothing without the look-up key.
type key [keySize]byte

// Domains keep the hash of an ID and of an equal financial address apart.
const (
	idDomain = "id\x00"
	faDomain = "fa\x00"
)

func (s Sealer) hash(domain, value string) (key, error) {
	sum, err := s.Lookup.ComputePrimaryPRF([]byte(domain+fold(value)), keySize)
	if err != nil {
		return key{}, fmt.Errorf("hash for look-up: %w", err)
	}
	return key(sum), nil
}

// record is what is sealed of a link. Its codes, not the columns beside it, decide what an answer says.
type record struct {
	id       string
	fa       string
	dfsp     string
	dfspName string // from the address itself, for providers the directory does not know
	branch   string
	kind     Kind
	name     string
	phone    string
	locale   string
	info     []Attribute
	email    string
}

// recordFormat is what is written. Format 1, which had no e-mail address, is still read.
const recordFormat = 2

func (r record) encode() []byte {
	b := make([]byte, 0, 256)
	b = append(b, recordFormat)
	for _, field := range []string{r.id, r.fa, r.dfsp, r.dfspName, r.branch, string(r.kind), r.name, r.phone, r.locale} {
		b = appendField(b, field)
	}
	b = binary.AppendUvarint(b, uint64(len(r.info)))
	for _, a := range r.info {
		b = appendField(appendField(b, a.Name), string(a.Value))
	}
	return appendField(b, r.email)
}

func appendField(b []byte, field string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(field))), field...)
}

var errRecordFormat = errors.New("sealed record has an unknown format")

func decodeRecord(b []byte) (record, error) {
	if len(b) == 0 || b[0] < 1 || b[0] > recordFormat {
		return record{}, errRecordFormat
	}
	// One string for all fields: the parts of it cost no allocation of their own.
	rest, ok := string(b[1:]), true
	next := func() string {
		field, after, found := cutField(rest)
		rest, ok = after, ok && found
		return field
	}
	r := record{id: next(), fa: next(), dfsp: next(), dfspName: next(), branch: next(), kind: Kind(next()), name: next(), phone: next(), locale: next()}
	count, size := uvarint(rest)
	if !ok || size <= 0 || count > uint64(len(rest)) {
		return record{}, errRecordFormat
	}
	rest = rest[size:]
	for range count {
		r.info = append(r.info, Attribute{Name: next(), Value: []byte(next())})
	}
	if b[0] >= 2 {
		r.email = next()
	}
	if !ok || rest != "" {
		return record{}, errRecordFormat
	}
	return r, nil
}

func cutField(s string) (field, rest string, ok bool) {
	length, size := uvarint(s)
	if size <= 0 || length > uint64(len(s)-size) {
		return "", "", false
	}
	end := size + int(length)
	return s[size:end], s[end:], true
}

func uvarint(s string) (uint64, int) {
	head := []byte(s[:min(len(s), binary.MaxVarintLen64)])
	return binary.Uvarint(head)
}

// sealContext binds a sealed record to its row and version: it opens nowhere else.
func sealContext(id key, version int64) []byte {
	context := make([]byte, 0, len("spar link ")+keySize+8)
	context = append(append(context, "spar link "...), id[:]...)
	return binary.BigEndian.AppendUint64(context, uint64(version))
}

// heldContext binds the sealed record of a change that is or was held. It opens as that, with its time, and never as the
// record of a link: whoever can write to the database cannot bring it forward.
func heldContext(id key, change uuid.UUID, due int64) []byte {
	context := make([]byte, 0, len("spar held ")+keySize+16+8)
	context = append(append(append(context, "spar held "...), id[:]...), change[:]...)
	return binary.BigEndian.AppendUint64(context, uint64(due))
}

func (s Sealer) sealHeld(r record, id key, change uuid.UUID, due int64) ([]byte, error) {
	sealed, err := s.Records.Encrypt(r.encode(), heldContext(id, change, due))
	if err != nil {
		return nil, fmt.Errorf("seal held change: %w", err)
	}
	return sealed, nil
}

func (s Sealer) openHeld(sealed []byte, id key, change uuid.UUID, due int64) (record, error) {
	text, err := s.Records.Decrypt(sealed, heldContext(id, change, due))
	if err != nil {
		return record{}, fmt.Errorf("open held change: %w", err)
	}
	return decodeRecord(text)
}

func (s Sealer) seal(r record, id key, version int64) ([]byte, error) {
	sealed, err := s.Records.Encrypt(r.encode(), sealContext(id, version))
	if err != nil {
		return nil, fmt.Errorf("seal record: %w", err)
	}
	return sealed, nil
}

func (s Sealer) open(sealed []byte, id key, version int64) (record, error) {
	text, err := s.Records.Decrypt(sealed, sealContext(id, version))
	if err != nil {
		return record{}, fmt.Errorf("open sealed record: %w", err)
	}
	return decodeRecord(text)
}
