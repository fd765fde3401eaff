package main

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/env/v2"
	"github.com/knadh/koanf/providers/file"
	"github.com/knadh/koanf/v2"
)

const (
	defaultConfigFile = "spar.yaml"
	configVariable    = "SPAR_CONFIG"
	variablePrefix    = "SPAR_"
	levelSeparator    = "__"
	fileSuffix        = "_FILE"
	maxListIndex      = 99 // of an environment variable; more is a slip
)

// configError holds everything that is wrong with a configuration, one line each, so that it is mended in one go.
type configError struct{ problems []string }

func (e *configError) Error() string {
	return "configuration: " + strings.Join(e.problems, "\nconfiguration: ")
}

// loader gathers the problems of one configuration.
type loader struct {
	serving   bool // also what only a server needs: its own address, readable key files
	problems  []string
	variables map[string]string // dotted key: the environment variable that set it
}

// add notes a problem of a key, and where its value came from if that is not the file.
func (l *loader) add(key, format string, args ...any) {
	text := key + ": " + fmt.Sprintf(format, args...)
	if variable := l.variables[key]; variable != "" {
		text += " (set by " + variable + ")"
	}
	l.problems = append(l.problems, text)
}

func (l *loader) err() error {
	if len(l.problems) == 0 {
		return nil
	}
	return &configError{l.problems}
}

// loadConfig reads the file and the environment over the defaults. Every unknown key and unusable value of either comes
// back in one *configError. An empty path means spar.yaml, which may be absent: then the environment says everything.
// With serving set, it must be enough to serve.
func loadConfig(path string, environ []string, serving bool) (Config, error) {
	l := &loader{serving: serving, variables: map[string]string{}}
	k := koanf.New(".")
	named := path != ""
	if !named {
		path = defaultConfigFile
	}
	if err := k.Load(file.Provider(path), yaml.Parser()); err != nil && (named || !errors.Is(err, fs.ErrNotExist)) {
		return Config{}, fmt.Errorf("read configuration %s: %w", path, err)
	}
	// Without a delimiter koanf hands over the variables as they are: only overlay knows lists and existing names.
	variables := env.Provider("", env.Opt{Prefix: variablePrefix, EnvironFunc: func() []string { return environ }})
	overlay := koanf.WithMergeFunc(func(found, file map[string]any) error { l.overlay(file, found); return nil })
	if err := k.Load(variables, nil, overlay); err != nil {
		return Config{}, fmt.Errorf("read configuration from the environment: %w", err)
	}
	cfg := defaultConfig()
	l.decode(k.Raw(), &cfg)
	cfg.fillProviderDefaults()
	l.validate(&cfg)
	return cfg, l.err()
}

// overlay sets what the environment says. NAME_FILE reads the value of a secret from a file.
func (l *loader) overlay(tree, variables map[string]any) {
	for _, variable := range slices.Sorted(maps.Keys(variables)) {
		if variable == configVariable {
			continue
		}
		value, _ := variables[variable].(string)
		path := strings.Split(strings.TrimPrefix(variable, variablePrefix), levelSeparator)
		if last, ok := strings.CutSuffix(path[len(path)-1], fileSuffix); ok {
			if secret := append(slices.Clone(path[:len(path)-1]), last); isSecret(secret) {
				if _, both := variables[strings.TrimSuffix(variable, fileSuffix)]; both {
					l.problems = append(l.problems, variable+": expected either this or the variable without "+fileSuffix+", not both")
					continue
				}
				content, err := os.ReadFile(value)
				if err != nil {
					l.problems = append(l.problems, fmt.Sprintf("%s: expected the path of a readable file: %v", variable, err))
					continue
				}
				path, value = secret, strings.TrimRight(string(content), "\r\n")
			}
		}
		_, key, err := place(tree, path, value)
		if err != nil {
			l.problems = append(l.problems, fmt.Sprintf("%s: %v (set by %s)", key, err, variable))
			continue
		}
		l.variables[key] = variable
	}
}

// place puts a value into the tree below node, and returns the node that takes node's place and the dotted key.
// Names match what is there as a variable's name can show it; a number indexes a list, longer than it was if need be.
func place(node any, path []string, value string) (placed any, key string, err error) {
	if len(path) == 0 {
		if _, group := node.(map[string]any); group {
			return node, "", errors.New("expected a variable for a key inside it, for this is a group of keys")
		}
		return value, "", nil
	}
	index, notIndex := strconv.Atoi(path[0])
	if node == nil && notIndex == nil {
		node = []any(nil)
	} else if node == nil {
		node = map[string]any{}
	}
	switch parent := node.(type) {
	case map[string]any:
		name := strings.ToLower(path[0])
		for existing := range parent {
			if variableName(existing) == strings.ToUpper(path[0]) {
				name = existing
			}
		}
		child, below, err := place(parent[name], path[1:], value)
		parent[name] = child
		return parent, join(name, below), err
	case []any:
		if notIndex != nil || index < 0 || index > maxListIndex {
			return node, strings.ToLower(path[0]), fmt.Errorf("expected an index from 0 to %d, for this is a list", maxListIndex)
		}
		for len(parent) <= index {
			parent = append(parent, nil)
		}
		child, below, err := place(parent[index], path[1:], value)
		parent[index] = child
		return parent, join(strconv.Itoa(index), below), err
	}
	return node, strings.ToLower(path[0]), errors.New("unknown key, for what it should be inside is a single value")
}

// variableName is how a key is written in the name of an environment variable.
func variableName(key string) string {
	return strings.NewReplacer("-", "_", ".", "_").Replace(strings.ToUpper(key))
}

func join(key, below string) string {
	if key == "" || below == "" {
		return key + below
	}
	return key + "." + below
}
