package embedded

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
)

// maxSocketPath is the longest path of a socket that all systems accept (sun_path has 104 bytes on
// macOS and 108 on Linux).
const maxSocketPath = 100

// Dial returns a function that connects to the broker with its data in dir, for the user who runs
// it. It ignores the requested address.
func Dial(dir string) func(ctx context.Context, network, address string) (net.Conn, error) {
	return func(ctx context.Context, _, _ string) (net.Conn, error) {
		path, err := socketOf(dir)
		if err != nil {
			return nil, err
		}
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}
}

// Seed is a placeholder for the address of a broker that [Dial] connects to.
const Seed = "embedded:9092"

// socketOf is the socket of the broker with its data in dir, running or not.
func socketOf(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	if path := filepath.Join(dir, "socket"); len(path) <= maxSocketPath {
		return path, nil
	}
	sum := sha256.Sum256([]byte(dir))
	return filepath.Join(os.TempDir(), "changetrail-"+strconv.Itoa(os.Getuid()), hex.EncodeToString(sum[:8])), nil
}

// freshSocket returns the socket of dir in a folder that nobody else can write to, and removes a
// socket that a killed process left there. The caller holds the lock of dir.
func freshSocket(dir string) (string, error) {
	path, err := socketOf(dir)
	if err != nil {
		return "", err
	}
	folder := filepath.Dir(path)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return "", err
	}
	info, err := os.Lstat(folder)
	if err != nil {
		return "", err
	}
	if !info.IsDir() || !ownedByUs(info) {
		return "", fmt.Errorf("%s belongs to somebody else", folder)
	}
	if err := os.Chmod(folder, 0o700); err != nil { // #nosec G302 -- it is a folder
		return "", err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	return path, nil
}
