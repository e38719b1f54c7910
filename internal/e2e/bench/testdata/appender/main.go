// Command appender appends its input to the file TO and does nothing else: no hook can do less.
package main

import (
	"errors"
	"io"
	"log"
	"os"
)

func main() {
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

func run() error {
	input, err := io.ReadAll(os.Stdin)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(os.Getenv("TO"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(append(input, '\n'))
	return errors.Join(err, f.Close())
}
