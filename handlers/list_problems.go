package handlers

import (
	"context"
	"errors"

	"spar/mapper"
	"spar/mapper/lists"
	"spar/web/i18n"
)

// ListProblem says what is wrong with a field of the directory or a line of a list, and what to do.
func ListProblem(ctx context.Context, p mapper.Problem) string {
	field := ""
	if p.Field != "" {
		field = i18n.T(ctx, "admin.directory.field."+p.Field)
	}
	return i18n.T(ctx, "admin.directory.problem."+string(p.Code), "field", field, "value", p.Value)
}

// FileProblem says why a file is no list that can be read; nothing if the error is about something else.
func FileProblem(ctx context.Context, err error) string {
	for key, known := range map[string]error{
		"empty": lists.ErrEmpty, "encoding": lists.ErrEncoding, "columns": lists.ErrColumns, "too_long": lists.ErrTooLong, "too_many": lists.ErrTooMany,
	} {
		if errors.Is(err, known) {
			return i18n.T(ctx, "admin.directory.file."+key)
		}
	}
	return ""
}
