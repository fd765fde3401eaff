package lists

import (
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"strconv"

	"spar/mapper"
)

// mark tells spreadsheets that a file is UTF-8.
const mark = "\xef\xbb\xbf"

// WriteBranches writes all branches, with the columns that [NewReader] takes.
func WriteBranches(ctx context.Context, w io.Writer, directory *mapper.DirectoryAdmin) error {
	out, err := begin(w, branchColumns)
	if err != nil {
		return err
	}
	err = directory.AllBranches(ctx, func(b mapper.Branch) error {
		return write(out, b.DFSP, b.DFSPName, b.Code, b.Name, b.Town, b.Area, b.Address, strconv.FormatBool(b.Active))
	})
	if err != nil {
		return err
	}
	return end(out)
}

// WriteProviders writes all providers, with the columns that [NewReader] takes.
func WriteProviders(ctx context.Context, w io.Writer, directory *mapper.DirectoryAdmin) error {
	providers, _, err := directory.Providers(ctx, mapper.ProviderFilter{})
	if err != nil {
		return err
	}
	out, err := begin(w, providerColumns)
	if err != nil {
		return err
	}
	for _, p := range providers {
		if err := write(out, p.Code, p.Name, string(p.Kind), p.Strategy, strconv.FormatBool(p.Active)); err != nil {
			return err
		}
	}
	return end(out)
}

func begin(w io.Writer, columns []string) (*csv.Writer, error) {
	if _, err := io.WriteString(w, mark); err != nil {
		return nil, fmt.Errorf("write list: %w", err)
	}
	out := csv.NewWriter(w)
	return out, write(out, columns...)
}

func write(out *csv.Writer, cells ...string) error {
	safe := make([]string, len(cells))
	for i, cell := range cells {
		safe[i] = guarded(cell)
	}
	if err := out.Write(safe); err != nil {
		return fmt.Errorf("write list: %w", err)
	}
	return nil
}

func end(out *csv.Writer) error {
	out.Flush()
	if err := out.Error(); err != nil {
		return fmt.Errorf("write list: %w", err)
	}
	return nil
}
