package main

import (
	"time"

	"spar/internal/brand"
	"spar/keymgr/mosip"
	"spar/mapper"
)

// Config is the whole configuration: one YAML file, every scalar of which the environment can override. Relative paths in
// it are taken from the directory spar is started in. Fields tagged secret never leave the process in clear.
type Config struct {
	Listen         string             `koanf:"listen"`          // the public listener: portal and partner API
	OpsListen      string             `koanf:"ops_listen"`      // health and metrics
	BaseURL        string             `koanf:"base_url"`        // how browsers and partners reach the public listener
	TLS            TLSConfig          `koanf:"tls"`             // native TLS on the public listener
	TrustedProxies []string           `koanf:"trusted_proxies"` // CIDRs whose forwarded headers are believed
	Database       DatabaseConfig     `koanf:"database"`
	Keys           KeysConfig         `koanf:"keys"`
	Application    string             `koanf:"application"` // the service partners are registered for
	Brand          BrandConfig        `koanf:"brand"`
	Session        SessionConfig      `koanf:"session"`
	Admin          AdminConfig        `koanf:"admin"`
	LoginProviders []LoginProvider    `koanf:"login_providers"`
	KeyManager     KeyManager         `koanf:"key_manager"`
	Certificates   CertificatesConfig `koanf:"certificates"`
	Onboarding     OnboardingConfig   `koanf:"onboarding"`
	Mapper         MapperConfig       `koanf:"mapper"`
	Limits         LimitsConfig       `koanf:"limits"`
	Changes        ChangesConfig      `koanf:"changes"`
	Lookups        LookupsConfig      `koanf:"lookups"`
	Notices        NoticesConfig      `koanf:"notices"`
	Log            LogConfig          `koanf:"log"`
}

// OnboardingConfig is about how partners are let in.
type OnboardingConfig struct {
	TwoPerson bool `koanf:"two_person"` // one prepares what lets a partner do more, another approves it
}

// BrandConfig makes the portal its host's own. Texts are by language.
type BrandConfig struct {
	Name      map[string]string `koanf:"name"`
	ShortName map[string]string `koanf:"short_name"`
	Logo      string            `koanf:"logo"`   // path of an SVG or PNG file
	Accent    string            `koanf:"accent"` // #rrggbb
	Support   SupportConfig     `koanf:"support"`
}

// SupportConfig is whom people can ask for help.
type SupportConfig struct {
	Phone string            `koanf:"phone"`
	URL   string            `koanf:"url"`
	Text  map[string]string `koanf:"text"`
}

func (c BrandConfig) options() brand.Options {
	return brand.Options{
		Name: c.Name, ShortName: c.ShortName, Logo: c.Logo, Accent: c.Accent,
		Support: brand.Support{Phone: c.Support.Phone, URL: c.Support.URL, Text: c.Support.Text},
	}
}

// TLSConfig names PEM files; both or none.
type TLSConfig struct {
	Certificate string `koanf:"certificate"`
	Key         string `koanf:"key"`
}

// DatabaseConfig names the database: sqlite:///path or postgres://user:password@host/name.
type DatabaseConfig struct {
	URL string `koanf:"url" secret:"url"`
}

// KeysConfig says where SPAR's own private keys are.
type KeysConfig struct {
	Dir string `koanf:"dir"`
}

// SessionConfig bounds a browser session.
type SessionConfig struct {
	Idle     time.Duration `koanf:"idle"`     // since the last request
	Lifetime time.Duration `koanf:"lifetime"` // since the login
}

// AdminConfig is about the pages for staff.
type AdminConfig struct {
	Reauthenticate time.Duration `koanf:"reauthenticate"` // changes need a login younger than this
	MaxImport      int           `koanf:"max_import"`     // of a list of the directory that is uploaded, in MB
}

// Audiences of a login provider.
const (
	audienceBeneficiary = "beneficiary"
	audienceStaff       = "staff"
)

// LoginProvider is one OpenID provider people can log in with.
type LoginProvider struct {
	ID                      string            `koanf:"id"`   // in the login path
	Name                    map[string]string `koanf:"name"` // by language
	Audience                string            `koanf:"audience"`
	Issuer                  string            `koanf:"issuer"`
	IDTokenIssuer           string            `koanf:"id_token_issuer"` // only where it differs from issuer
	ClientID                string            `koanf:"client_id"`
	ClientAuth              string            `koanf:"client_auth"`
	ClientKey               string            `koanf:"client_key"` // PEM file, for private_key_jwt
	ClientSecret            string            `koanf:"client_secret" secret:"whole"`
	ClientAssertionAudience string            `koanf:"client_assertion_audience"` // private_key_jwt: the issuer when empty
	SigningAlgorithms       []string          `koanf:"signing_algorithms"`        // of ID tokens and signed userinfo
	Scopes                  []string          `koanf:"scopes"`
	ACRValues               string            `koanf:"acr_values"`
	Claims                  map[string]any    `koanf:"claims"` // the OIDC claims request parameter
	Userinfo                string            `koanf:"userinfo"`
	IDTemplate              string            `koanf:"id_template"` // the mapping's ID from verified claims
	RolesClaim              string            `koanf:"roles_claim"`
	RolesFrom               string            `koanf:"roles_from"` // empty: the first of id_token, userinfo, access_token that has the claim
	Roles                   map[string]string `koanf:"roles"`      // the provider's role to ours
}

// MapperConfig is about the registry itself.
type MapperConfig struct {
	URL           string        `koanf:"url"`            // a mapper elsewhere; empty: in this process
	MaxBatch      int           `koanf:"max_batch"`      // items in one message
	MessageWindow time.Duration `koanf:"message_window"` // how old a message may be
	ReceiverIDs   []string      `koanf:"receiver_ids"`   // the registry's names in receiver_id; empty: not looked at
	KnownDFSPOnly bool          `koanf:"known_dfsp_only"`
	DefaultRegion string        `koanf:"default_region"` // ISO 3166 country of phone numbers typed without a country code
}

// ChangesConfig is about changes that people make of their account.
type ChangesConfig struct {
	Hold time.Duration `koanf:"hold"` // how long the old account stays in effect; 0: a change counts at once
}

// LimitsConfig is the budget that every partner has, each of which fills at a number of items a second, up to a
// capacity; and what one client of the portal may do.
type LimitsConfig struct {
	ItemsPerSecond     int `koanf:"items_per_second"` // calls of single people and small lists, and all changes
	Capacity           int `koanf:"capacity"`
	BulkItemsPerSecond int `koanf:"bulk_items_per_second"` // payment lists
	BulkCapacity       int `koanf:"bulk_capacity"`
	BulkFrom           int `koanf:"bulk_from"`      // a resolve of so many items is a payment list
	MissCost           int `koanf:"miss_cost"`      // what an item costs that finds nobody
	LoginRequests      int `koanf:"login_requests"` // that begin or finish a login, of one client address in five minutes
}

// LookupsConfig is about what people are told of who looked up the details of their accounts.
type LookupsConfig struct {
	Keep time.Duration `koanf:"keep"`
}

// LogConfig sets the log's level: debug, info, warn or error.
type LogConfig struct {
	Level string `koanf:"level"`
}

func defaultConfig() Config {
	return Config{
		Listen:       "127.0.0.1:8080",
		OpsListen:    "127.0.0.1:9090",
		Database:     DatabaseConfig{URL: "sqlite:///var/lib/spar/spar.db"},
		Keys:         KeysConfig{Dir: "/var/lib/spar/keys"},
		Application:  "openg2p-spar-mapper",
		Session:      SessionConfig{Idle: 15 * time.Minute, Lifetime: 8 * time.Hour},
		Admin:        AdminConfig{Reauthenticate: 15 * time.Minute, MaxImport: 64},
		KeyManager:   KeyManager{Mode: keyManagerLocal, Timeout: mosip.MaxTimeout, PreExpireDays: 30},
		Certificates: defaultCertificates(),
		Mapper:       MapperConfig{MaxBatch: 10000, MessageWindow: 5 * time.Minute},
		Limits: LimitsConfig{
			ItemsPerSecond: 20000, Capacity: 200000, BulkItemsPerSecond: 300000, BulkCapacity: 10000000, BulkFrom: 100, MissCost: 10,
			LoginRequests: 300,
		},
		Lookups: LookupsConfig{Keep: mapper.KeepLookups},
		Notices: defaultNotices(),
		Log:     LogConfig{Level: "info"},
	}
}

// fillProviderDefaults completes the providers, whose number is known only once the file is read.
func (c *Config) fillProviderDefaults() {
	for i := range c.LoginProviders {
		p := &c.LoginProviders[i]
		if len(p.Scopes) == 0 {
			p.Scopes = []string{"openid", "profile"}
		}
		if len(p.SigningAlgorithms) == 0 {
			p.SigningAlgorithms = []string{"RS256", "PS256"}
		}
		if p.Userinfo == "" {
			p.Userinfo = "none"
		}
	}
}
