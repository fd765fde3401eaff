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

// openDatabase opens the database without changing its schema. A SQLite file's directory is made, for everyone but its
// owner closed: the file holds a country's payment addresses, sealed or not.
func openDatabase(ctx context.Context, url string) (*sqlx.DB, error) {
	if path, ok := strings.CutPrefix(url, sqlitePrefix); ok {
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return nil, fmt.Errorf("create the database's directory: %w", err)
		}
	}
	return migrations.Open(ctx, url)
}
