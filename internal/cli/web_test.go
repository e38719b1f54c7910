package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/changetrail/changetrail/gate/api"
)

// TestThePagesDecideAtTheGatewayThatIsConfigured: with its token, and without a gateway not at all.
func TestThePagesDecideAtTheGatewayThatIsConfigured(t *testing.T) {
	var s Settings
	if d, err := s.deskElsewhere(); d != nil || err != nil {
		t.Errorf("without a gateway: %v %v", d, err)
	}
	s.Web.Gateway = "https://gateway.acme.example"
	if d, err := s.deskElsewhere(); d != nil || err == nil || !strings.Contains(err.Error(), "web.gateway_token_file is missing") {
		t.Errorf("without a token: %v %v", d, err)
	}
	s.Web.GatewayTokenFile = filepath.Join(t.TempDir(), "token")
	if _, err := s.deskElsewhere(); err == nil {
		t.Error("a file that does not exist is no error")
	}
	if err := os.WriteFile(s.Web.GatewayTokenFile, []byte("ct_x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	d, err := s.deskElsewhere()
	if c, ok := d.(*api.Client); err != nil || !ok || c.URL != s.Web.Gateway || c.Token != "ct_x" || c.HTTP.Timeout == 0 {
		t.Errorf("%+v %v", d, err)
	}
}
