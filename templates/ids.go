package templates

import (
	"context"
	"strconv"
	"strings"

	"spar/web/i18n"
)

// serviceName is what the titles of an area's pages end with.
func serviceName(ctx context.Context, p Page) string {
	if p.Staff {
		return i18n.T(ctx, "admin.service")
	}
	return i18n.T(ctx, "service.short_name")
}

// optionID is the id of one option of a group, counted from 1.
func optionID(group string, index int) string { return group + "-" + strconv.Itoa(index+1) }

// describedBy lists the ids of the texts that belong to the input.
func (f Field) describedBy() string {
	var ids []string
	if f.Hint != "" {
		ids = append(ids, f.Name+"-hint")
	}
	if f.Error != "" {
		ids = append(ids, f.Name+"-error")
	}
	return strings.Join(ids, " ")
}
