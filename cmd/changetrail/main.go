// Command changetrail records why code was changed: it joins what agents,
// scanners, CI and people say about a change into one record, and forwards it
// to a SIEM. Run changetrail help.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/changetrail/changetrail/internal/cli"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := cli.Run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr, os.Environ())
	stop()
	os.Exit(code)
}
