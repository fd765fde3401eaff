package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/jmoiron/sqlx"

	"spar/migrations"
)

// openDatabase opens the database without changing its schema. A SQLite file and its directory are made, closed to everyone
// but their owner: it holds a country's payment addresses, sealed or not.
func openDatabase(ctx context.Context, url string) (*sqlx.DB, error) {
	if path, ok := strings.CutPrefix(url, sqlitePrefix); ok {
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return nil, fmt.Errorf("create the database's directory: %w", err)
		}
		// SQLite gives its other files the mode of this one.
		file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			return nil, fmt.Errorf("create the database: %w", err)
		}
		if err := file.Close(); err != nil {
			return nil, fmt.Errorf("create the database: %w", err)
		}
	}
	return migrations.Open(ctx, url)
}
