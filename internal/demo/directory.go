package demo

import (
	"bytes"
	_ "embed"
	"encoding/csv"
	"fmt"
	"strconv"

	"spar/mapper"
)

// The banks, branches and wallets of the Republic of Solvenna, which does not exist.
var (
	//go:embed providers.csv
	providersCSV []byte
	//go:embed branches.csv
	branchesCSV []byte
	//go:embed strategies.csv
	strategiesCSV []byte
)

// Directory returns the fictional banks with their branches, and the wallet providers.
func Directory() ([]mapper.DFSP, []mapper.Branch, error) {
	rows, err := readCSV(providersCSV, "code", "name", "kind", "strategy")
	if err != nil {
		return nil, nil, fmt.Errorf("read demo providers: %w", err)
	}
	providers := make([]mapper.DFSP, 0, len(rows))
	for _, r := range rows {
		providers = append(providers, mapper.DFSP{Code: r[0], Name: r[1], Kind: mapper.Kind(r[2]), Strategy: r[3], Active: true})
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

// Strategies returns how account numbers of the fictional providers look. Their addresses have the usual form.
func Strategies() ([]mapper.Strategy, error) {
	rows, err := readCSV(strategiesCSV, "name", "kind", "min", "max", "chars", "check", "country", "groups", "example")
	if err != nil {
		return nil, fmt.Errorf("read demo strategies: %w", err)
	}
	var strategies []mapper.Strategy
	for _, r := range rows {
		s := mapper.Strategy{
			Name: r[0], Kind: mapper.Kind(r[1]), Active: true,
			Construct:   "account:{account_number}@{branch_code}.{bank_code}.bank_acc",
			Deconstruct: `^account:(?P<account_number>[A-Za-z0-9][A-Za-z0-9 /-]*)@(?P<branch_code>[A-Za-z0-9_-]+)\.(?P<bank_code>[A-Za-z0-9_-]+)\.bank_acc$`,
			NumberRule:  mapper.NumberRule{Chars: r[4], Check: r[5], Country: r[6], Groups: r[7], Example: r[8]},
		}
		if s.Kind == mapper.MobileWallet {
			s.Construct = "mobile:{mobile_number}@{provider_code}.mobile_wallet"
			s.Deconstruct = `^mobile:(?P<mobile_number>\+?[0-9][0-9-]*)@(?P<provider_code>[A-Za-z0-9_-]+)\.mobile_wallet$`
		}
		if s.MinLength, err = strconv.Atoi(r[2]); err == nil {
			s.MaxLength, err = strconv.Atoi(r[3])
		}
		if err != nil {
			return nil, fmt.Errorf("read demo strategy %s: %w", s.Name, err)
		}
		strategies = append(strategies, s)
	}
	return strategies, nil
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
