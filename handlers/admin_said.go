package handlers

import (
	"context"
	"errors"
	"fmt"

	"spar/keymgr"
	"spar/web/i18n"
)

// said is a text about a key, a certificate or a signature in the language of the page. What is quoted from elsewhere, such
// as a library's description of a broken file, stays as it is.
func said(ctx context.Context, s *keymgr.Said) string {
	if s == nil {
		return ""
	}
	var args []any
	for i, value := range s.Values {
		args = append(args, string(rune('a'+i)), saidValue(ctx, value))
	}
	return i18n.T(ctx, "admin.said."+s.Code, args...)
}

func saidValue(ctx context.Context, value any) string {
	if err, ok := value.(error); ok {
		if within, ok := errors.AsType[*keymgr.Said](err); ok {
			return said(ctx, within)
		}
	}
	return fmt.Sprint(value)
}
