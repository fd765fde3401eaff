package demo

import (
	"bytes"
	_ "embed"
	"encoding/csv"
	"fmt"

	"spar/mapper"
)

// The banks, branches and wallets of the Republic of Solvenna, which does not exist.
var (
	//go:embed providers.csv
	providersCSV []byte
	//go:embed branches.csv
	branchesCSV []byte
)

// Directory returns the fictional banks with their branches, and the wallet providers.
func Directory() ([]mapper.DFSP, []mapper.Branch, error) {
	rows, err := readCSV(providersCSV, "code", "name", "kind")
	if err != nil {
		return nil, nil, fmt.Errorf("read demo providers: %w", err)
	}
	providers := make([]mapper.DFSP, 0, len(rows))
	for _, r := range rows {
		providers = append(providers, mapper.DFSP{Code: r[0], Name: r[1], Kind: mapper.Kind(r[2]), Active: true})
	}
	if rows, err = readCSV(branchesCSV, "dfsp", "code", "name", "town"); err != nil {
		return nil, nil, fmt.Errorf("read demo branches: %w", err)
	}
	branches := make([]mapper.Branch, 0, len(rows))
	for _, r := range rows {
		branches = append(branches, mapper.Branch{DFSP: r[0], Code: r[1], Name: r[2], Town: r[3], Active: true})
	}
	return providers, branches, nil
}

// readCSV returns the rows under a header line that must be as expected.
func readCSV(text []byte, header ...string) ([][]string, error) {
	reader := csv.NewReader(bytes.NewReader(text))
	reader.FieldsPerRecord = len(header)
	rows, err := reader.ReadAll()
	if err != nil {
		return nil, err
	}
	for i, name := range header {
		if len(rows) == 0 || rows[0][i] != name {
			return nil, fmt.Errorf("column %d must be %s", i+1, name)
		}
	}
	return rows[1:], nil
}
