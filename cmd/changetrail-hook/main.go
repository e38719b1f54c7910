// Command changetrail-hook is changetrail hook as a small program that starts faster: agents wait
// for it at each call of a tool.
package main

import (
	"context"
	"os"

	"github.com/changetrail/changetrail/internal/noting"
)

func main() {
	p := noting.Process{Environ: os.Environ(), In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Program: noting.Changetrail}
	os.Exit(p.Run(context.Background(), os.Args[1:]))
}
