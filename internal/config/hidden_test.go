package config

import (
	"fmt"
	"log/slog"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

// TestEveryFieldThatNamesASecretHasTheTag: a new secret is hidden, or this test fails.
func TestEveryFieldThatNamesASecretHasTheTag(t *testing.T) {
	suggests := regexp.MustCompile(`(?i)(password|passwd|passphrase|secret|token|credential|_key|key)$`)
	n := 0
	s := Defaults()
	s.Keys(func(path string, v reflect.Value, tags reflect.StructTag) {
		file := strings.HasSuffix(path, "_file") || path == "gateway.credentials" // where it stands
		want := v.Kind() == reflect.String && suggests.MatchString(path) && !file
		if got := tags.Get("secret") == "true"; got != want {
			t.Errorf("%s has the tag secret: %v, want %v", path, got, want)
		}
		if want {
			n++
		}
	})
	if n < 10 {
		t.Errorf("%d secrets: this test looks at too little", n)
	}
}

func TestPrintedSettingsHoldNoSecret(t *testing.T) {
	const secret = "do-not-print-9"
	s := Defaults()
	s.Keys(func(_ string, v reflect.Value, tags reflect.StructTag) {
		if tags.Get("secret") != "" {
			v.SetString(secret)
		}
	})
	s.Producer.Gateway = "https://ci:" + secret + "@gateway.example/x"
	s.Sink.Addresses = []string{"https://a.example:9200", "https://" + secret + "@b.example:9200"}
	s.Blobs = "azblob://files?sig=" + secret + "&domain=x"
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{ReplaceAttr: ShownAttr})).Info("it starts", "addresses", s.Sink.Addresses, "gateway", s.Producer.Gateway, "settings", s, "err", fmt.Errorf("get %s: no route", s.Producer.Gateway))
	for what, text := range map[string]string{"config": s.String(), "%v": fmt.Sprintf("%v", s), "%+v": fmt.Sprintf("%+v", s), "a log": log.String(), "a value": slog.AnyValue(s).String()} {
		if strings.Contains(text, secret) {
			t.Errorf("%s prints it: %s", what, text)
		}
		if what != "a value" && !strings.Contains(text, "gateway.example/x") {
			t.Errorf("%s does not say where the gateway is: %s", what, text)
		}
	}
	if s.Sink.Password != secret || !strings.Contains(s.Sink.Addresses[1], secret) {
		t.Error("printing changed the settings")
	}
}
