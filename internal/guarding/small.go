package guarding

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/changetrail/changetrail/agents/product"
)

// Small is the name of the small program that does the same as changetrail hook gate, without the
// suffix that some systems want.
const Small = "changetrail-hook-gate"

// MaxWait is the longest time for which the hook waits for an approval.
const MaxWait = 4 * time.Hour

// Main is the small program: its arguments are KIND, --config FILE and --wait DURATION, in any order.
// It returns an exit code. A mistake in them blocks the tool.
func (c Call) Main(ctx context.Context, args []string) int {
	if err := c.parse(args); err != nil {
		fmt.Fprintf(c.Err, "%s: %v\n", Small, err)
		return Blocked
	}
	return c.Run(ctx)
}

func (c *Call) parse(args []string) (err error) {
	for len(args) > 0 {
		flag := args[0]
		switch {
		case flag == product.ClaudeCode || flag == product.Codex:
			c.Kind, args = flag, args[1:]
			continue
		case len(args) < 2:
			return fmt.Errorf("%q is no argument, or its value is missing", flag)
		case flag == "--config":
			c.File = args[1]
		case flag == "--wait":
			c.Wait, err = time.ParseDuration(args[1])
		default:
			return fmt.Errorf("there is no argument %q", flag)
		}
		args = args[2:]
	}
	if c.Kind == "" {
		return fmt.Errorf("name the agent: %s or %s", product.ClaudeCode, product.Codex)
	}
	return errors.Join(err, CheckWait(c.Wait))
}

// CheckWait fails for a time for which the hook does not wait.
func CheckWait(d time.Duration) error {
	if d < 0 || d > MaxWait {
		return fmt.Errorf("--wait %s is not between 0 and %s", d, MaxWait)
	}
	return nil
}
