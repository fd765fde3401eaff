package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"

	"github.com/PuerkitoBio/goquery"
)

// measurePortal starts the demonstration, logs one of its people in as a browser does, and measures pages.
func measurePortal(ctx context.Context, o options, out *report) (err error) {
	only, err := regexp.Compile(o.only)
	if err != nil {
		return err
	}
	pages := []struct{ name, path string }{
		{"portal home", "/"}, {"portal account", "/account"}, {"portal history", "/account/history"},
		{"portal search", "/directory/search?q=kitemba+coop"},
	}
	public, ops, err := freeAddresses()
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	provider := l.Addr().String()
	l.Close()
	log, err := os.Create(filepath.Join(o.dir, "demo.log"))
	if err != nil {
		return err
	}
	defer log.Close()
	process := exec.CommandContext(ctx, o.spar, "demo", "--dir", filepath.Join(o.dir, "demo"), "--listen", public, "--ops-listen", ops, "--provider-listen", provider)
	process.Stdout, process.Stderr = log, log
	process.Cancel = func() error { return process.Process.Signal(syscall.SIGTERM) }
	if err := process.Start(); err != nil {
		return err
	}
	defer func() {
		_ = process.Process.Signal(syscall.SIGTERM)
		if waited := process.Wait(); err == nil {
			err = waited
		}
	}()
	if err := waitReady(ctx, "http://"+ops+"/readyz"); err != nil {
		return err
	}
	base := "http://" + public
	cookie, err := logIn(ctx, base)
	if err != nil {
		return fmt.Errorf("log in: %w", err)
	}
	b := &bench{options: o, registry: &registry{base: base, process: process}, engine: "sqlite", out: out}
	for _, page := range pages {
		for _, callers := range []int{1, 8} {
			m := result{Name: fmt.Sprintf("%s x%d", page.name, callers)}
			if !only.MatchString(m.Name) {
				continue
			}
			n := 3000
			if b.quick {
				n = 300
			}
			requests := make([]request, n)
			for i := range requests {
				requests[i] = request{path: page.path, cookie: cookie, want: "</"}
			}
			g := newGenerator(base, callers)
			took, used, err := b.closed(ctx, g, callers, requests)
			if err == nil {
				m.fill(took, used, n)
				err = b.open(ctx, g, callers, requests, 1, &m)
			}
			g.close()
			if err != nil {
				return fmt.Errorf("%s: %w", m.Name, err)
			}
			b.add(m)
		}
	}
	return nil
}

// logIn goes through the pages of the demonstration's login provider and returns the Cookie header of the session.
func logIn(ctx context.Context, base string) (string, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return "", err
	}
	client := &http.Client{Jar: jar}
	page, at, err := getPage(ctx, client, base+"/auth/login/national-id", nil)
	if err != nil {
		return "", err
	}
	form := page.Find("form:has(button[name=person])").First()
	values := url.Values{"person": {form.Find("button[name=person]").First().AttrOr("value", "")}}
	form.Find("input[type=hidden]").Each(func(_ int, s *goquery.Selection) {
		values.Set(s.AttrOr("name", ""), s.AttrOr("value", ""))
	})
	action, err := at.Parse(form.AttrOr("action", ""))
	if err != nil {
		return "", err
	}
	if _, at, err = getPage(ctx, client, action.String(), values); err != nil {
		return "", err
	}
	if at.Path != "/account" {
		return "", fmt.Errorf("it ended at %s", at.Path)
	}
	var cookies []string
	for _, c := range jar.Cookies(at) {
		cookies = append(cookies, c.String())
	}
	if len(cookies) == 0 {
		return "", errors.New("no cookie was set")
	}
	return strings.Join(cookies, "; "), nil
}

func getPage(ctx context.Context, client *http.Client, address string, form url.Values) (*goquery.Document, *url.URL, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if form != nil {
		request, err = http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(form.Encode()))
	}
	if err != nil {
		return nil, nil, err
	}
	if form != nil {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	answer, err := client.Do(request)
	if err != nil {
		return nil, nil, err
	}
	defer answer.Body.Close()
	page, err := goquery.NewDocumentFromReader(answer.Body)
	return page, answer.Request.URL, err
}
