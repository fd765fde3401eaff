package oidctest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"
)

func segments(header, claims Object) string {
	h, _ := json.Marshal(header)
	c, _ := json.Marshal(claims)
	return base64.RawURLEncoding.EncodeToString(h) + "." + base64.RawURLEncoding.EncodeToString(c)
}

// Sign makes a JWS with the current key, whatever the header says.
func (p *Provider) Sign(header, claims Object) string { return SignWith(p.Key(), header, claims) }

// SignWith makes a JWS with a key: PS256 if the header says so, otherwise RS256.
func SignWith(key Key, header, claims Object) string {
	return signInput(key, header, segments(header, claims))
}

func signInput(key Key, header Object, input string) string {
	digest := sha256.Sum256([]byte(input))
	var signature []byte
	var err error
	if header["alg"] == "PS256" {
		signature, err = rsa.SignPSS(rand.Reader, key.Private, crypto.SHA256, digest[:], &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
	} else {
		signature, err = rsa.SignPKCS1v15(rand.Reader, key.Private, crypto.SHA256, digest[:])
	}
	if err != nil {
		panic(err)
	}
	return input + "." + base64.RawURLEncoding.EncodeToString(signature)
}

// Unsigned makes a JWS of algorithm none.
func (p *Provider) Unsigned(header, claims Object) string {
	header["alg"] = "none"
	return segments(header, claims) + "."
}

// SignHMAC makes a JWS of algorithm HS256 with a secret.
func SignHMAC(secret []byte, header, claims Object) string {
	header["alg"] = "HS256"
	input := segments(header, claims)
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(input))
	return input + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// SignES256 makes a JWS with an EC key that nobody published.
func (p *Provider) SignES256(header, claims Object) string {
	header["alg"] = "ES256"
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	input := segments(header, claims)
	digest := sha256.Sum256([]byte(input))
	r, s, err := ecdsa.Sign(rand.Reader, key, digest[:])
	if err != nil {
		panic(err)
	}
	signature := append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
	return input + "." + base64.RawURLEncoding.EncodeToString(signature)
}

// authenticate checks how the client authenticated, and that it did so in no second way. It returns what is wrong.
func (p *Provider) authenticate(r *http.Request) string {
	id, secret, basic := r.BasicAuth()
	form := r.PostForm
	if len(r.URL.Query()) > 0 {
		return "parameters in the URL"
	}
	got := []bool{basic, form.Has("client_secret"), form.Has("client_assertion")}
	want := []bool{p.auth == "client_secret_basic", p.auth == "client_secret_post", p.auth == "private_key_jwt"}
	if !slices.Equal(got, want) {
		return "wrong or several authentication methods"
	}
	switch p.auth {
	case "client_secret_basic":
		id, _ = url.QueryUnescape(id) // RFC 6749, section 2.3.1
		secret, _ = url.QueryUnescape(secret)
		if id != ClientID || secret != ClientSecret {
			return "wrong secret"
		}
	case "client_secret_post":
		if form.Get("client_id") != ClientID || form.Get("client_secret") != ClientSecret {
			return "wrong secret"
		}
	case "private_key_jwt":
		return p.checkAssertion(form)
	default:
		if form.Get("client_id") != ClientID {
			return "unknown client"
		}
	}
	return ""
}

func (p *Provider) checkAssertion(form url.Values) string {
	if form.Get("client_assertion_type") != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" {
		return "wrong assertion type"
	}
	jws, err := jose.ParseSignedCompact(form.Get("client_assertion"), []jose.SignatureAlgorithm{jose.RS256, jose.ES256})
	if err != nil {
		return "not a JWS"
	}
	payload, err := jws.Verify(p.clientKey)
	if err != nil {
		return "wrong signature"
	}
	var claims struct {
		Iss, Sub, Aud, Jti string // aud must be one string
		Iat, Exp           int64
	}
	if json.Unmarshal(payload, &claims) != nil {
		return "not the right claims"
	}
	now := p.Now()
	if claims.Iss != ClientID || claims.Sub != ClientID || claims.Aud != p.URL || claims.Jti == "" || p.assertions[claims.Jti] ||
		claims.Exp <= now.Unix() || claims.Exp > now.Add(5*time.Minute).Unix() || claims.Iat > now.Unix() {
		return "wrong claims, or used before"
	}
	p.assertions[claims.Jti] = true
	return ""
}

// SignText makes a JWS of a payload that need not be an object.
func (p *Provider) SignText(header Object, payload string) string {
	h, _ := json.Marshal(header)
	return signInput(p.Key(), header, base64.RawURLEncoding.EncodeToString(h)+"."+base64.RawURLEncoding.EncodeToString([]byte(payload)))
}
