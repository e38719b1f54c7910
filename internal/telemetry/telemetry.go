// Package telemetry creates the OpenTelemetry providers of a service: metrics for Prometheus, and
// metrics and traces over OTLP if the standard environment variables (OTEL_EXPORTER_OTLP_ENDPOINT
// and similar) ask for them. It also serves /metrics, /healthz and /readyz.
package telemetry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	promclient "github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/changetrail/changetrail/internal/serving"
)

// Providers are the metrics and traces of a service.
type Providers struct {
	Meter  metric.MeterProvider
	Tracer trace.TracerProvider

	registry *promclient.Registry
	closers  []func(context.Context) error
}

// Start creates the providers of a service.
func Start(ctx context.Context, service, version string) (*Providers, error) {
	res, err := resource.New(ctx, resource.WithAttributes(
		attribute.String("service.name", service), attribute.String("service.version", version),
	), resource.WithFromEnv(), resource.WithHost())
	if err != nil && !errors.Is(err, resource.ErrPartialResource) {
		return nil, fmt.Errorf("telemetry: %w", err)
	}
	p := &Providers{registry: promclient.NewRegistry(), Tracer: noop.NewTracerProvider()}
	p.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	exporter, err := prometheus.New(prometheus.WithRegisterer(p.registry), prometheus.WithoutScopeInfo())
	if err != nil {
		return nil, fmt.Errorf("telemetry: %w", err)
	}
	options := []sdkmetric.Option{sdkmetric.WithResource(res), sdkmetric.WithReader(exporter)}
	if ask, err := asked("METRICS"); err != nil {
		return nil, err
	} else if ask {
		exporter, err := otlpmetrichttp.New(ctx)
		if err != nil {
			return nil, fmt.Errorf("telemetry: OTLP metrics: %w", err)
		}
		options = append(options, sdkmetric.WithReader(sdkmetric.NewPeriodicReader(exporter)))
	}
	meter := sdkmetric.NewMeterProvider(options...)
	p.Meter, p.closers = meter, append(p.closers, meter.Shutdown)
	if ask, err := asked("TRACES"); err != nil {
		return nil, err
	} else if ask {
		exporter, err := otlptracehttp.New(ctx)
		if err != nil {
			return nil, fmt.Errorf("telemetry: OTLP traces: %w", err)
		}
		tracer := sdktrace.NewTracerProvider(sdktrace.WithResource(res), sdktrace.WithBatcher(exporter))
		p.Tracer, p.closers = tracer, append(p.closers, tracer.Shutdown)
	}
	return p, nil
}

// asked reports whether the environment asks for a signal to be exported. Without this check the
// exporters would try localhost.
func asked(signal string) (bool, error) {
	exporter := "OTEL_" + signal + "_EXPORTER"
	if strings.EqualFold(os.Getenv("OTEL_SDK_DISABLED"), "true") || os.Getenv(exporter) == "none" {
		return false, nil
	}
	if v := os.Getenv(exporter); v != "" && v != "otlp" {
		return false, fmt.Errorf("telemetry: %s is %q; set otlp or none (Prometheus reads telemetry.listen)", exporter, v)
	}
	own := "OTEL_EXPORTER_OTLP_" + signal
	if os.Getenv(exporter) == "" && os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT") == "" && os.Getenv(own+"_ENDPOINT") == "" {
		return false, nil
	}
	for _, name := range []string{own + "_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"} {
		switch v := os.Getenv(name); v {
		case "":
			continue
		case "http/protobuf":
			return true, nil
		default:
			return false, fmt.Errorf("telemetry: %s is %q; changetrail only exports http/protobuf, which collectors accept at port 4318", name, v)
		}
	}
	return true, nil
}

// Close sends what is still buffered.
func (p *Providers) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	var errs []error
	for _, c := range p.closers {
		errs = append(errs, c(ctx))
	}
	return errors.Join(errs...)
}

// maxScrapers is how many connections to /metrics there may be.
const maxScrapers = 64

// A Port is where a service says how it does.
type Port struct {
	Address string
	Ready   func(context.Context) error     // returns an error while something is not ready
	Guard   func(http.Handler) http.Handler // decides which requests are answered
	Log     *slog.Logger
}

// Serve answers /metrics, /healthz and /readyz until ctx is done.
func (p *Providers) Serve(ctx context.Context, at Port) error {
	mux := http.NewServeMux()
	mux.Handle("/metrics", promhttp.HandlerFor(p.registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("/readyz", func(w http.ResponseWriter, r *http.Request) {
		if err := at.Ready(r.Context()); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ok")
	})
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", at.Address)
	if err != nil {
		return fmt.Errorf("telemetry: listen on %s: %w", at.Address, err)
	}
	server := &http.Server{Handler: serving.DropStalled(at.Guard(mux)), MaxHeaderBytes: serving.Header, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute}
	at.Log.Info("serving metrics", "address", "http://"+listener.Addr().String()+"/metrics")
	context.AfterFunc(ctx, func() { _ = server.Close() })
	go func() {
		if err := server.Serve(serving.Limit(listener, maxScrapers)); err != nil && !errors.Is(err, http.ErrServerClosed) {
			at.Log.Error("metrics server ended", "err", err)
		}
	}()
	return nil
}
