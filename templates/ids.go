package templates

import (
	"strconv"
	"strings"
)

// optionID is the id of one option of a group, counted from 1.
func optionID(group string, index int) string { return group + "-" + strconv.Itoa(index+1) }

// describedBy lists the ids of the texts that belong to the input.
func (f Field) describedBy() string { return describedBy(f.Name, f.Hint, f.Error) }

func describedBy(name, hint, problem string) string {
	var ids []string
	if hint != "" {
		ids = append(ids, name+"-hint")
	}
	if problem != "" {
		ids = append(ids, name+"-error")
	}
	return strings.Join(ids, " ")
}

func (c Checks) inputType() string {
	if c.One {
		return "radio"
	}
	return "checkbox"
}
