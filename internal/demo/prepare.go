package demo

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"spar/internal/audit"
	"spar/keymgr"
	"spar/mapper"
)

// Deps are the parts of the running registry that the demo fills.
type Deps struct {
	Dir       string // the demo's folder; absolute, if what is printed shall work in every shell
	BaseURL   string // of the portal and the partner API
	Register  *keymgr.Register
	Directory *mapper.Directory
	Editor    *mapper.DirectoryAdmin
	Mapper    mapper.Mapper
	Now       func() time.Time
}

// Prepare fills an empty registry: directory, links, partners. A registry that it has filled before keeps everything as
// it is now, whatever was changed since; only keys that are gone from the folder are replaced.
func Prepare(ctx context.Context, d Deps) (Banner, error) {
	_, err := d.Register.Get(ctx, SampleBank)
	if err != nil && !errors.Is(err, keymgr.ErrNotFound) {
		return Banner{}, fmt.Errorf("look for the demo's partner: %w", err)
	}
	if err != nil {
		if err := fill(ctx, d); err != nil {
			return Banner{}, err
		}
	}
	// The sample bank comes last: that it is there says that all the rest is, should a start be killed half-way.
	for _, p := range samplePartners() {
		if err := onboard(ctx, d.Register, d.Dir, p, d.Now()); err != nil {
			return Banner{}, err
		}
	}
	key := filepath.Join(partnerFolder(d.Dir, SampleBank), "key.pem")
	return Banner{BaseURL: d.BaseURL, Dir: d.Dir, KeyPath: key}, nil
}

func fill(ctx context.Context, d Deps) error {
	providers, branches, err := Directory()
	if err != nil {
		return err
	}
	strategies, err := Strategies()
	if err != nil {
		return err
	}
	for _, s := range strategies {
		// One that is there already is of a start that was killed half-way.
		by := audit.Actor{Kind: audit.Command, ID: "demo"}
		err := d.Editor.SaveStrategy(ctx, by, "", s)
		if problem, ok := errors.AsType[mapper.Problem](err); ok && problem.Code == mapper.Taken {
			continue
		}
		if err != nil {
			return fmt.Errorf("load demo strategies: %w", err)
		}
	}
	if err := d.Directory.Load(ctx, providers, branches); err != nil {
		return fmt.Errorf("load demo directory: %w", err)
	}
	return linkExisting(ctx, d.Mapper, d.Now())
}
