package keymgr

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// newKeyBits is the size of the RSA keys we make: enough until 2030 (NIST SP 800-57), and the fastest to verify.
const newKeyBits = 2048

// maxKeyFile bounds what is read from a key file, in bytes.
const maxKeyFile = 64 << 10

// LoadKey reads a private key from a PEM file: PKCS#8, PKCS#1 or SEC 1, strong enough for one of our algorithms. It
// refuses a file that anyone but its owner can read or write. A missing file is [fs.ErrNotExist].
func LoadKey(path string) (crypto.Signer, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open private key: %w", err)
	}
	defer file.Close()
	// The open file is asked, not the path, which could be exchanged in between.
	info, err := file.Stat()
	if err != nil {
		return nil, fmt.Errorf("look at private key: %w", err)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return nil, fmt.Errorf("private key %s has mode %04o: others may use it; chmod 600 %s", path, mode, path)
	}
	content, err := io.ReadAll(io.LimitReader(file, maxKeyFile))
	if err != nil {
		return nil, fmt.Errorf("read private key: %w", err)
	}
	key, err := ParseKey(content)
	if err != nil {
		return nil, fmt.Errorf("private key %s: %w", path, err)
	}
	return key, nil
}

// ParseKey reads a private key from PEM.
func ParseKey(content []byte) (crypto.Signer, error) {
	for block, rest := pem.Decode(content); block != nil; block, rest = pem.Decode(rest) {
		switch block.Type {
		case "EC PARAMETERS": // openssl writes them in front of the key
			continue
		case "ENCRYPTED PRIVATE KEY":
			return nil, errors.New("it is encrypted with a pass phrase, which is not supported")
		case "PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY":
			if block.Headers["Proc-Type"] != "" {
				return nil, errors.New("it is encrypted with a pass phrase, which is not supported")
			}
			return parseKeyBlock(block.Bytes)
		default:
			return nil, fmt.Errorf("expected a PEM block PRIVATE KEY, found %.40q", block.Type)
		}
	}
	return nil, errors.New("no PEM block PRIVATE KEY found")
}

func parseKeyBlock(der []byte) (crypto.Signer, error) {
	key, err := parsePrivateDER(der)
	if err != nil {
		return nil, errors.New("the key cannot be parsed")
	}
	if _, err := keyAlgorithm(key.Public()); err != nil {
		return nil, err
	}
	return key, nil
}

// parsePrivateDER tries the three encodings; what a PEM label promises is not always what follows.
func parsePrivateDER(der []byte) (crypto.Signer, error) {
	if key, err := x509.ParsePKCS8PrivateKey(der); err == nil {
		if signer, ok := key.(crypto.Signer); ok {
			return signer, nil
		}
	}
	if key, err := x509.ParsePKCS1PrivateKey(der); err == nil {
		return key, nil
	}
	key, err := x509.ParseECPrivateKey(der)
	if err != nil {
		return nil, err // not a typed nil in the interface
	}
	return key, nil
}

// LoadOrCreateKey loads the private key of a file, or creates an RSA key there if the file does not exist, and reports
// whether it did. Processes that start at the same time end up with the same key.
func LoadOrCreateKey(path string) (key crypto.Signer, created bool, err error) {
	key, err = LoadKey(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return key, false, err
	}
	fresh, err := rsa.GenerateKey(rand.Reader, newKeyBits)
	if err != nil {
		return nil, false, fmt.Errorf("generate RSA key: %w", err)
	}
	content, err := keyPEM(fresh)
	if err != nil {
		return nil, false, err
	}
	switch err := writeNew(path, content); {
	case errors.Is(err, fs.ErrExist): // another process was faster
		key, err = LoadKey(path)
		return key, false, err
	case err != nil:
		return nil, false, fmt.Errorf("write private key: %w", err)
	}
	return fresh, true, nil
}

func keyPEM(key crypto.Signer) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encode private key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

// writeNew makes a file that only its owner may read. The file appears under its name complete and on disk, or not at
// all, so that a crash leaves no half a key; it never replaces one ([fs.ErrExist]).
func writeNew(path string, content []byte) error {
	folder := filepath.Dir(path)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	file, err := os.CreateTemp(folder, ".new-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(file.Name())
	if _, err := file.Write(content); err != nil {
		return errors.Join(err, file.Close())
	}
	if err := file.Sync(); err != nil {
		return errors.Join(err, file.Close())
	}
	if err := file.Close(); err != nil {
		return err
	}
	if err := os.Link(file.Name(), path); err != nil {
		return err
	}
	return syncFolder(folder)
}

func syncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	defer folder.Close()
	return folder.Sync()
}
