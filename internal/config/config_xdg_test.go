//go:build !windows && !darwin

package config

import "testing"

// TestTheFileOfAPerson is never in the folder in which they work.
func TestTheFileOfAPerson(t *testing.T) {
	for _, c := range []struct {
		environ []string
		want    string
	}{
		{[]string{"HOME=/home/mona"}, "/home/mona/.config/changetrail/changetrail.yaml"},
		{[]string{"HOME=/home/mona", "XDG_CONFIG_HOME=/etc/mona"}, "/etc/mona/changetrail/changetrail.yaml"},
		{[]string{"HOME=/home/mona", "XDG_CONFIG_HOME=here"}, "/home/mona/.config/changetrail/changetrail.yaml"},
		{[]string{"HOME=."}, ""},
		{nil, ""},
	} {
		if got := personalFile(getenvOf(c.environ)); got != c.want {
			t.Errorf("%v: %s, want %s", c.environ, got, c.want)
		}
	}
}
