// Package keyring owns SPAR's own symmetric keys: Tink keysets in keys.dir that seal records and sessions and hash IDs
// for look-up, and chain the audit log. The keys never reach the database; the database only holds what proves that the right keys are there.
package keyring

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/mac"
	"github.com/tink-crypto/tink-go/v2/prf"
	tinkpb "github.com/tink-crypto/tink-go/v2/proto/tink_go_proto"
	"github.com/tink-crypto/tink-go/v2/tink"

	"spar/migrations"
)

// Ring holds the opened keysets. A keyset may contain older keys beside its primary one: what they sealed still opens.
type Ring struct {
	Records  tink.AEAD // AES-256-GCM over link records
	Sessions tink.AEAD // AES-256-GCM over session data
	Lookup   *prf.Set  // HMAC-SHA256 over normalised IDs and financial addresses
	Audit    tink.MAC  // HMAC-SHA256 over the chain of audit events
	Created  []string  // files made by this start: they must be backed up
}

// Open reads the keysets of dir. On a database that has never had keys it creates the missing ones; otherwise a missing
// or foreign key is an error, for nothing sealed could be read and every look-up would miss.
func Open(ctx context.Context, db *sqlx.DB, dir string, now time.Time) (*Ring, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("create keys.dir: %w", err)
	}
	ring := &Ring{}
	records, err := ring.open(ctx, db, dir, "records", aead.AES256GCMKeyTemplate(), now, checkAEAD)
	if err != nil {
		return nil, err
	}
	if ring.Records, err = aead.New(records); err != nil {
		return nil, fmt.Errorf("use keyset records: %w", err)
	}
	sessions, err := ring.open(ctx, db, dir, "sessions", aead.AES256GCMKeyTemplate(), now, checkAEAD)
	if err != nil {
		return nil, err
	}
	if ring.Sessions, err = aead.New(sessions); err != nil {
		return nil, fmt.Errorf("use keyset sessions: %w", err)
	}
	lookup, err := ring.open(ctx, db, dir, "lookup", prf.HMACSHA256PRFKeyTemplate(), now, checkPRF)
	if err != nil {
		return nil, err
	}
	if ring.Lookup, err = prf.NewPRFSet(lookup); err != nil {
		return nil, fmt.Errorf("use keyset lookup: %w", err)
	}
	return ring, ring.openAudit(ctx, db, dir, now)
}

// OpenAudit opens only the keyset of the audit log, for a program that changes what is audited and reads nothing sealed.
func OpenAudit(ctx context.Context, db *sqlx.DB, dir string, now time.Time) (*Ring, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("create keys.dir: %w", err)
	}
	ring := &Ring{}
	return ring, ring.openAudit(ctx, db, dir, now)
}

// RenewAudit opens the keyset of the audit log for a log that begins anew: the one in dir, whichever it is, or a new one
// if it was lost.
func RenewAudit(ctx context.Context, db *sqlx.DB, dir string, now time.Time) (*Ring, error) {
	if _, err := db.ExecContext(ctx, db.Rebind(`DELETE FROM key_checks WHERE name = ?`), auditName); err != nil {
		return nil, fmt.Errorf("forget the key of the old audit log: %w", err)
	}
	return OpenAudit(ctx, db, dir, now)
}

func (r *Ring) openAudit(ctx context.Context, db *sqlx.DB, dir string, now time.Time) error {
	handle, err := r.open(ctx, db, dir, auditName, mac.HMACSHA256Tag256KeyTemplate(), now, checkMAC)
	if err != nil {
		return err
	}
	if r.Audit, err = mac.New(handle); err != nil {
		return fmt.Errorf("use keyset %s: %w", auditName, err)
	}
	return nil
}

const auditName = "audit"

// AuditFile is the file of the audit log's keyset in dir.
func AuditFile(dir string) string { return filepath.Join(dir, auditName+suffix) }

// NewAudit reports whether the keyset of the audit log was made by this start.
func (r *Ring) NewAudit() bool {
	return slices.ContainsFunc(r.Created, func(path string) bool { return filepath.Base(path) == auditName+suffix })
}

// A check makes the value to store for a new keyset, or, given the stored one, proves that the keyset matches it.
type check func(h *keyset.Handle, stored []byte) ([]byte, error)

var errForeignKey = errors.New("it is not the key this database was written with")

const checkText = "SPAR key check"

func checkAEAD(h *keyset.Handle, stored []byte) ([]byte, error) {
	primitive, err := aead.New(h)
	if err != nil {
		return nil, err
	}
	if stored == nil {
		return primitive.Encrypt([]byte(checkText), nil)
	}
	if text, err := primitive.Decrypt(stored, nil); err != nil || string(text) != checkText {
		return nil, errForeignKey
	}
	return stored, nil
}

func checkPRF(h *keyset.Handle, stored []byte) ([]byte, error) {
	set, err := prf.NewPRFSet(h)
	if err != nil {
		return nil, err
	}
	value, err := set.ComputePrimaryPRF([]byte(checkText), 16)
	if err != nil {
		return nil, err
	}
	if stored != nil && !bytes.Equal(value, stored) {
		return nil, errForeignKey
	}
	return value, nil
}

func checkMAC(h *keyset.Handle, stored []byte) ([]byte, error) {
	primitive, err := mac.New(h)
	if err != nil {
		return nil, err
	}
	if stored == nil {
		return primitive.ComputeMAC([]byte(checkText))
	}
	if err := primitive.VerifyMAC(stored, []byte(checkText)); err != nil {
		return nil, errForeignKey
	}
	return stored, nil
}

const suffix = ".keyset.json"

func (r *Ring) open(ctx context.Context, db *sqlx.DB, dir, name string, template *tinkpb.KeyTemplate, now time.Time, verify check) (*keyset.Handle, error) {
	path := filepath.Join(dir, name+suffix)
	stored, err := storedCheck(ctx, db, name)
	if err != nil {
		return nil, fmt.Errorf("read check of key %s: %w", name, err)
	}
	handle, err := read(path)
	switch {
	case errors.Is(err, os.ErrNotExist) && stored != nil:
		return nil, fmt.Errorf("%s is missing, but the database was written with it: restore it from the backup", path)
	case errors.Is(err, os.ErrNotExist):
		if handle, err = create(path, template); err != nil {
			return nil, fmt.Errorf("create %s: %w", path, err)
		}
		r.Created = append(r.Created, path)
	case err != nil:
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	value, err := verify(handle, stored)
	if err != nil {
		return nil, fmt.Errorf("use %s: %w", path, err)
	}
	if stored != nil {
		return handle, nil
	}
	if err := storeCheck(ctx, db, name, value, now); err != nil {
		return nil, fmt.Errorf("store check of key %s: %w", name, err)
	}
	return handle, nil
}

func storedCheck(ctx context.Context, db *sqlx.DB, name string) ([]byte, error) {
	var found [][]byte
	err := db.SelectContext(ctx, &found, db.Rebind(`SELECT check_value FROM key_checks WHERE name = ?`), name)
	if err != nil || len(found) == 0 {
		return nil, err
	}
	return found[0], nil
}

func storeCheck(ctx context.Context, db *sqlx.DB, name string, value []byte, now time.Time) error {
	_, err := db.ExecContext(ctx, db.Rebind(`INSERT INTO key_checks (name, check_value, created_at) VALUES (?, ?, ?)`),
		name, value, now.UnixMilli())
	if migrations.IsDuplicate(err) {
		return errors.New("another replica has just created its own keys on this database: give all replicas the same keys.dir content and start again")
	}
	return err
}

func read(path string) (*keyset.Handle, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("its mode is %04o: others may read it; chmod 600", info.Mode().Perm())
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return insecurecleartextkeyset.Read(keyset.NewJSONReader(file))
}

// create writes a new keyset so that it is either wholly there or not there, also when two processes try at once.
func create(path string, template *tinkpb.KeyTemplate) (*keyset.Handle, error) {
	handle, err := keyset.NewHandle(template)
	if err != nil {
		return nil, err
	}
	temp, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return nil, err
	}
	defer os.Remove(temp.Name())
	defer temp.Close()
	if err := insecurecleartextkeyset.Write(handle, keyset.NewJSONWriter(temp)); err != nil {
		return nil, err
	}
	if err := temp.Sync(); err != nil {
		return nil, err
	}
	if err := os.Link(temp.Name(), path); err != nil {
		if errors.Is(err, os.ErrExist) {
			return read(path)
		}
		return nil, err
	}
	return handle, nil
}
