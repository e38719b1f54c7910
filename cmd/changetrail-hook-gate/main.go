// Command changetrail-hook-gate is changetrail hook gate as a small program that starts faster: agents
// wait for it at each call of a tool.
package main

import (
	"context"
	"os"

	"github.com/changetrail/changetrail/internal/guarding"
)

func main() {
	c := guarding.Call{Environ: os.Environ(), In: os.Stdin, Out: os.Stdout, Err: os.Stderr}
	os.Exit(c.Main(context.Background(), os.Args[1:]))
}
