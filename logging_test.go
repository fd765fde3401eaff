package main

import (
	"bytes"
	"encoding/json"
	"testing"
)

func TestLogLinesAreJSONAtTheConfiguredLevel(t *testing.T) {
	var out bytes.Buffer
	log := newLogger(&out, "warn")
	log.Info("not this")
	log.With("part", "test").Warn("this", "n", 1)
	var line map[string]any
	if err := json.Unmarshal(out.Bytes(), &line); err != nil || line["msg"] != "this" || line["part"] != "test" {
		t.Errorf("log is %q (%v)", out.String(), err)
	}
}
