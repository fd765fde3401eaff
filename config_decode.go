package main

import (
	"maps"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

const redacted = "xxxxx"

// decode fills the configuration from the tree of YAML and environment. Our own walk instead of a library's, because it
// reports every unknown key and every bad value together, by the names the operator wrote, and never repeats a value,
// which may be a secret.
func (l *loader) decode(tree map[string]any, cfg *Config) {
	l.into("", tree, reflect.ValueOf(cfg).Elem())
}

func (l *loader) into(key string, value any, target reflect.Value) {
	if value == nil {
		return // an empty key leaves the default
	}
	if target.Type() == reflect.TypeFor[time.Duration]() {
		text, _ := value.(string)
		d, err := parseDuration(text)
		if err != nil {
			l.add(key, "expected a duration such as 15m, 8h or 7d")
			return
		}
		target.SetInt(int64(d))
		return
	}
	switch target.Kind() {
	case reflect.Struct:
		l.intoStruct(key, value, target)
	case reflect.Slice:
		l.intoSlice(key, value, target)
	case reflect.Map:
		l.intoMap(key, value, target)
	case reflect.Interface:
		target.Set(reflect.ValueOf(value))
	default:
		l.intoScalar(key, value, target)
	}
}

func (l *loader) intoStruct(key string, value any, target reflect.Value) {
	group, ok := value.(map[string]any)
	if !ok {
		l.add(key, "expected a group of keys: %s", strings.Join(fieldKeys(target.Type()), ", "))
		return
	}
	for _, name := range slices.Sorted(maps.Keys(group)) {
		field, ok := fieldByKey(target.Type(), name)
		if !ok {
			l.add(join(key, name), "unknown key; expected one of %s", strings.Join(fieldKeys(target.Type()), ", "))
			continue
		}
		l.into(join(key, name), group[name], target.FieldByIndex(field.Index))
	}
}

func (l *loader) intoSlice(key string, value any, target reflect.Value) {
	if text, ok := value.(string); ok && target.Type().Elem().Kind() == reflect.String && l.variables[key] != "" {
		// One variable can only hold a list as text.
		var parts []string
		for part := range strings.SplitSeq(text, ",") {
			if part = strings.TrimSpace(part); part != "" {
				parts = append(parts, part)
			}
		}
		target.Set(reflect.ValueOf(parts))
		return
	}
	list, ok := value.([]any)
	if !ok {
		l.add(key, "expected a list")
		return
	}
	target.Set(reflect.MakeSlice(target.Type(), len(list), len(list)))
	for i, item := range list {
		l.into(join(key, strconv.Itoa(i)), item, target.Index(i))
	}
}

func (l *loader) intoMap(key string, value any, target reflect.Value) {
	group, ok := value.(map[string]any)
	if !ok {
		l.add(key, "expected a group of names and values")
		return
	}
	target.Set(reflect.MakeMap(target.Type()))
	for _, name := range slices.Sorted(maps.Keys(group)) {
		item := reflect.New(target.Type().Elem()).Elem()
		l.into(join(key, name), group[name], item)
		target.SetMapIndex(reflect.ValueOf(name), item)
	}
}

func (l *loader) intoScalar(key string, value any, target reflect.Value) {
	switch target.Kind() {
	case reflect.String:
		switch v := value.(type) {
		case string:
			target.SetString(v)
		case int:
			target.SetString(strconv.Itoa(v)) // client ids and the like may look like numbers
		default:
			l.add(key, "expected text")
		}
	case reflect.Int:
		n, isInt := value.(int)
		if text, ok := value.(string); ok {
			var err error
			n, err = strconv.Atoi(strings.TrimSpace(text))
			isInt = err == nil
		}
		if !isInt {
			l.add(key, "expected a whole number")
			return
		}
		target.SetInt(int64(n))
	case reflect.Bool:
		b, isBool := value.(bool)
		if text, ok := value.(string); ok {
			b, isBool = text == "true", text == "true" || text == "false"
		}
		if !isBool {
			l.add(key, "expected true or false")
			return
		}
		target.SetBool(b)
	}
}

func fieldKeys(t reflect.Type) []string {
	var keys []string
	for field := range t.Fields() {
		keys = append(keys, field.Tag.Get("koanf"))
	}
	return keys
}

func fieldByKey(t reflect.Type, key string) (reflect.StructField, bool) {
	for field := range t.Fields() {
		if field.Tag.Get("koanf") == key {
			return field, true
		}
	}
	return reflect.StructField{}, false
}

// isSecret reports whether the path of an environment variable leads to a field tagged secret.
func isSecret(path []string) bool {
	t := reflect.TypeFor[Config]()
	secret := false
	for _, name := range path {
		switch t.Kind() {
		case reflect.Slice:
			t, secret = t.Elem(), false
		case reflect.Struct:
			field, ok := fieldByKey(t, strings.ToLower(name))
			if !ok {
				return false
			}
			t, secret = field.Type, field.Tag.Get("secret") != ""
		default:
			return false
		}
	}
	return secret
}

// dump writes the configuration as YAML with its secrets hidden, so that it can be shown and logged.
func (c Config) dump() ([]byte, error) { return yaml.Marshal(yamlNode(reflect.ValueOf(c), "")) }

// yamlNode turns a value into what the YAML library prints in the order of the fields.
func yamlNode(v reflect.Value, secret string) *yaml.Node {
	n := &yaml.Node{}
	switch {
	case v.Type() == reflect.TypeFor[time.Duration]():
		n.SetString(v.Interface().(time.Duration).String())
	case v.Kind() == reflect.Struct:
		n.Kind = yaml.MappingNode
		for field, value := range v.Fields() {
			name := &yaml.Node{}
			name.SetString(field.Tag.Get("koanf"))
			n.Content = append(n.Content, name, yamlNode(value, field.Tag.Get("secret")))
		}
	case v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Struct:
		n.Kind = yaml.SequenceNode
		for i := range v.Len() {
			n.Content = append(n.Content, yamlNode(v.Index(i), ""))
		}
	case secret == "url":
		n.SetString(redactURL(v.String()))
	case secret != "" && v.String() != "":
		n.SetString(redacted)
	default:
		if err := n.Encode(v.Interface()); err != nil {
			n.SetString(redacted)
		}
	}
	return n
}

// redactURL hides the passwords in a database URL. The rest stays readable, for that is what operators look for.
func redactURL(database string) string {
	if strings.HasPrefix(database, sqlitePrefix) {
		return database
	}
	u, err := url.Parse(database)
	if err != nil {
		return redacted
	}
	q := u.Query()
	for name := range q {
		if strings.Contains(strings.ToLower(name), "password") {
			q.Set(name, redacted)
		}
	}
	u.RawQuery = q.Encode()
	return u.Redacted()
}
