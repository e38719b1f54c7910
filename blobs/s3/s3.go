// Package s3 keeps blobs in a bucket of Amazon S3, or of a server that speaks its protocol: MinIO,
// Ceph, Cloudflare R2, Google Cloud Storage with HMAC keys.
package s3

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/changetrail/changetrail/blobs"
)

// amazon is the endpoint of buckets that name none.
const amazon = "https://s3.amazonaws.com"

type bucket struct {
	core   minio.Core
	name   string
	prefix string
}

// Open opens the store in a bucket; see [OpenBucket].
func Open(where string) (*blobs.Store, error) {
	b, err := OpenBucket(where)
	if err != nil {
		return nil, err
	}
	return blobs.New(b, where), nil
}

// OpenBucket opens s3://bucket?region=…&endpoint=…&prefix=…&profile=…&use_path_style=true.
// Parameters that are missing are taken from the environment (AWS_REGION, AWS_ENDPOINT_URL_S3,
// AWS_ENDPOINT_URL, AWS_PROFILE). Credentials are those of the environment, of the profile in
// ~/.aws, or of the role of the container, the pod or the machine.
func OpenBucket(where string) (blobs.Bucket, error) {
	u, err := url.Parse(where)
	if err != nil {
		return nil, fmt.Errorf("blobs: %w", err)
	}
	if u.Scheme != "s3" || u.Host == "" || strings.Trim(u.Path, "/") != "" || u.User != nil {
		return nil, fmt.Errorf("blobs: %s://%s%s: a bucket has the form s3://bucket?region=eu-central-1; add &prefix=folder/ for a folder in it", u.Scheme, u.Host, u.Path)
	}
	b, err := open(u.Host, u.Query())
	if err != nil {
		return nil, fmt.Errorf("blobs: s3://%s: %w", u.Host, err)
	}
	return b, nil
}

func open(name string, q url.Values) (*bucket, error) {
	pathStyle, err := parameters(q)
	if err != nil {
		return nil, err
	}
	at := cmp.Or(q.Get("endpoint"), os.Getenv("AWS_ENDPOINT_URL_S3"), os.Getenv("AWS_ENDPOINT_URL"), amazon)
	endpoint, err := url.Parse(at)
	if err != nil || endpoint.Host == "" || endpoint.Scheme != "https" && endpoint.Scheme != "http" || strings.Trim(endpoint.Path, "/") != "" {
		return nil, fmt.Errorf("endpoint %q is not the URL of a server, for example https://minio.example:9000", at)
	}
	options := &minio.Options{
		Creds: credentials.NewChainCredentials([]credentials.Provider{
			&credentials.EnvAWS{}, &credentials.FileAWSCredentials{Profile: q.Get("profile")}, &credentials.IAM{},
		}),
		Secure: endpoint.Scheme == "https",
		Region: cmp.Or(q.Get("region"), os.Getenv("AWS_REGION"), os.Getenv("AWS_DEFAULT_REGION")),
	}
	if pathStyle {
		options.BucketLookup = minio.BucketLookupPath
	}
	client, err := minio.New(endpoint.Host, options)
	if err != nil {
		return nil, err
	}
	return &bucket{core: minio.Core{Client: client}, name: name, prefix: q.Get("prefix")}, nil
}

// parameters refuses unknown parameters: a misspelt region would otherwise be ignored silently.
func parameters(q url.Values) (pathStyle bool, err error) {
	known := []string{"endpoint", "prefix", "profile", "region", "use_path_style"}
	for _, k := range slices.Sorted(maps.Keys(q)) {
		if !slices.Contains(known, k) {
			return false, fmt.Errorf("unknown parameter %q; use one of %s", k, strings.Join(known, ", "))
		}
	}
	if v := q.Get("use_path_style"); v != "" {
		if pathStyle, err = strconv.ParseBool(v); err != nil {
			return false, fmt.Errorf("use_path_style is %q; it must be true or false", v)
		}
	}
	return pathStyle, nil
}

// Has implements [blobs.Bucket].
func (b *bucket) Has(ctx context.Context, key string) (bool, error) {
	_, err := b.core.StatObject(ctx, b.name, b.prefix+key, minio.StatObjectOptions{})
	if status(err) == http.StatusNotFound {
		return false, nil
	}
	return err == nil, explain(err)
}

// Write implements [blobs.Bucket].
func (b *bucket) Write(ctx context.Context, key string, content io.ReadSeeker, size int64) error {
	_, err := b.core.Client.PutObject(ctx, b.name, b.prefix+key, content, size, minio.PutObjectOptions{
		ContentType: "application/octet-stream", UserMetadata: map[string]string{"sha256": path.Base(key)}, DisableMultipart: true,
	})
	return explain(err)
}

// Create implements [blobs.Bucket]. The condition is the server's, so that two writers cannot both
// find that there is no such file.
func (b *bucket) Create(ctx context.Context, key string, content io.ReadSeeker, size int64) (bool, error) {
	options := minio.PutObjectOptions{ContentType: "application/octet-stream", DisableMultipart: true}
	options.SetMatchETagExcept("*")
	_, err := b.core.Client.PutObject(ctx, b.name, b.prefix+key, content, size, options)
	if status(err) == http.StatusPreconditionFailed {
		return false, nil
	}
	return err == nil, explain(err)
}

// Open implements [blobs.Bucket]. The library treats any 404 as a missing file, even that of a
// proxy, so that Open also asks whether the bucket exists.
func (b *bucket) Open(ctx context.Context, key string) (io.ReadCloser, error) {
	r, _, _, err := b.core.GetObject(ctx, b.name, b.prefix+key, minio.GetObjectOptions{})
	if err == nil {
		return r, nil
	}
	if minio.ToErrorResponse(err).Code != minio.NoSuchKey {
		return nil, explain(err)
	}
	there, ask := b.core.BucketExists(ctx, b.name)
	if ask != nil {
		return nil, errors.Join(err, explain(ask))
	}
	if !there {
		return nil, fmt.Errorf("%w; but there is no such bucket either: check the endpoint", err)
	}
	return nil, fs.ErrNotExist
}

// Each implements [blobs.Bucket].
func (b *bucket) Each(ctx context.Context, prefix string, f func(key string) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for o := range b.core.ListObjectsIter(ctx, b.name, minio.ListObjectsOptions{Prefix: b.prefix + prefix, Recursive: true}) {
		if o.Err != nil {
			return explain(o.Err)
		}
		if err := f(strings.TrimPrefix(o.Key, b.prefix)); err != nil {
			return err
		}
	}
	return ctx.Err() // a list that was cut is not complete
}

// Close implements [blobs.Bucket].
func (b *bucket) Close() error { return nil }

func status(err error) int { return minio.ToErrorResponse(err).StatusCode }

// explain adds advice to an error of S3.
func explain(err error) error {
	r := minio.ToErrorResponse(err)
	switch {
	case err == nil:
		return nil
	case r.Code == minio.NoSuchBucket:
		return fmt.Errorf("%w; create the bucket, or name its region and endpoint", err)
	case r.StatusCode == http.StatusForbidden || r.StatusCode == http.StatusUnauthorized:
		return fmt.Errorf("%w (%s); check that AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, the profile or the role may get, put and list in the bucket", err, cmp.Or(r.Code, strconv.Itoa(r.StatusCode)))
	case errors.Is(err, context.Canceled):
		return err
	case r.Code != "":
		return fmt.Errorf("%w (%s)", err, r.Code)
	}
	return err
}
