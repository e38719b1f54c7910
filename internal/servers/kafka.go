package servers

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	kafkaVersion = "4.4.0"
	log4jVersion = "2.25.5"
)

// The account of the secure listener.
const (
	User     = "auditor"
	Password = "p4ss word, with =commas;"
)

// kafkaPOM names the broker, and the binding that it needs for logging.
const kafkaPOM = `<project>
  <modelVersion>4.0.0</modelVersion>
  <groupId>dev.changetrail</groupId><artifactId>fetch</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>` + kafkaVersion + `</version></dependency>
    <dependency><groupId>org.apache.logging.log4j</groupId><artifactId>log4j-slf4j-impl</artifactId><version>` + log4jVersion + `</version></dependency>
    <dependency><groupId>org.apache.logging.log4j</groupId><artifactId>log4j-core</artifactId><version>` + log4jVersion + `</version></dependency>
  </dependencies>
</project>`

// Kafka returns a single broker that is not started yet, with its data in dir. Its Secure address
// requires TLS and SASL: PLAIN with [User] and [Password], or SCRAM with users that a client
// creates over Address.
func Kafka(dir string) (*Server, error) {
	program, err := java()
	if err != nil {
		return nil, err
	}
	libs, err := cached("kafka-"+kafkaVersion, func(work string) error {
		return maven(kafkaPOM, "copy-dependencies", "-DincludeScope=runtime", "-DoutputDirectory="+work)
	})
	if err != nil {
		return nil, err
	}
	client, err1 := freePort()
	secure, err2 := freePort()
	controller, err3 := freePort()
	if err := errors.Join(err1, err2, err3); err != nil {
		return nil, fmt.Errorf("kafka: no free port: %w", err)
	}
	properties := filepath.Join(dir, "server.properties")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	ca, err := certificate(dir)
	if err != nil {
		return nil, fmt.Errorf("kafka: certificate: %w", err)
	}
	if err := os.WriteFile(properties, []byte(kafkaProperties(dir, client, secure, controller)), 0o644); err != nil {
		return nil, err
	}
	logging := filepath.Join(dir, "log4j2.properties")
	if err := os.WriteFile(logging, []byte(kafkaLogging), 0o644); err != nil {
		return nil, err
	}
	run := func(heap string, args ...string) *exec.Cmd {
		return exec.Command(program, append([]string{
			"-Xmx" + heap, "-XX:+UseSerialGC", "-Dlog4j2.configurationFile=" + logging, "-cp", libs + "/*",
		}, args...)...)
	}
	id := make([]byte, 16)
	_, _ = rand.Read(id) // never fails
	id[0] = 1            // a leading dash would be read as an option
	format := run("256m", "kafka.tools.StorageTool", "format", "--config", properties, "--cluster-id", base64.RawURLEncoding.EncodeToString(id))
	if out, err := format.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("kafka: format: %w\n%s", err, out)
	}
	address := fmt.Sprintf("127.0.0.1:%d", client)
	return &Server{
		Name: "kafka", Address: address, Dir: dir, Secure: fmt.Sprintf("127.0.0.1:%d", secure), CAFile: ca,
		command: func() *exec.Cmd { return run("768m", "kafka.Kafka", properties) },
		ready:   func(ctx context.Context) error { return kafkaReady(ctx, address) },
	}, nil
}

func kafkaProperties(dir string, client, secure, controller int) string {
	return strings.Join([]string{
		"process.roles=broker,controller",
		"node.id=1",
		fmt.Sprintf("controller.quorum.voters=1@127.0.0.1:%d", controller),
		"controller.listener.names=CONTROLLER",
		fmt.Sprintf("listeners=PLAINTEXT://127.0.0.1:%d,SECURE://127.0.0.1:%d,CONTROLLER://127.0.0.1:%d", client, secure, controller),
		fmt.Sprintf("advertised.listeners=PLAINTEXT://127.0.0.1:%d,SECURE://127.0.0.1:%d", client, secure),
		"listener.security.protocol.map=PLAINTEXT:PLAINTEXT,SECURE:SASL_SSL,CONTROLLER:PLAINTEXT",
		"listener.name.secure.ssl.keystore.type=PEM",
		"listener.name.secure.ssl.keystore.location=" + filepath.Join(dir, keyFile),
		"sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
		`listener.name.secure.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_` + User + `="` + Password + `";`,
		"listener.name.secure.scram-sha-256.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;",
		"listener.name.secure.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;",
		"inter.broker.listener.name=PLAINTEXT",
		"log.dirs=" + filepath.Join(dir, "data"),
		"offsets.topic.replication.factor=1",
		"transaction.state.log.replication.factor=1",
		"transaction.state.log.min.isr=1",
		"share.coordinator.state.topic.replication.factor=1",
		"share.coordinator.state.topic.min.isr=1",
		"offsets.topic.num.partitions=4",
		"transaction.state.log.num.partitions=4",
		"share.coordinator.state.topic.num.partitions=1",
		"group.initial.rebalance.delay.ms=0",
		"auto.create.topics.enable=false",
		"",
	}, "\n")
}

const kafkaLogging = `status = error
appender.out.type = Console
appender.out.name = OUT
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = [%d] %p %m (%c)%n
rootLogger.level = info
rootLogger.appenderRef.out.ref = OUT
`

// kafkaReady reports whether the broker answers and is in its own metadata.
func kafkaReady(ctx context.Context, address string) error {
	cl, err := kgo.NewClient(kgo.SeedBrokers(address))
	if err != nil {
		return err
	}
	defer cl.Close()
	b, err := kadm.NewClient(cl).ListBrokers(ctx)
	if err == nil && len(b) == 0 {
		err = fmt.Errorf("kafka: no broker in the metadata yet")
	}
	return err
}
