package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"hawser.example/websocket"
	"hawser.example/websocket/internal/wstest"
)

// replaceFile writes a file anew, as editors and certificate tools do it.
func replaceFile(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name+".new", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(name+".new", name); err != nil {
		t.Fatal(err)
	}
}

// bearerOf is the header of somebody who has a key or a token.
func bearerOf(secret string) http.Header {
	return http.Header{"Authorization": {"Bearer " + secret}}
}

// post publishes text as who has that key and returns the status.
func post(t *testing.T, addr, topic, key, text string) int {
	t.Helper()
	status, _ := request(t, http.MethodPost, "http://"+addr+"/topics/"+topic, text, bearerOf(key))
	return status
}

// reload sends SIGHUP and waits for the n-th line that says how it went.
func (p *process) reload(n int, says string) {
	p.t.Helper()
	p.signal(syscall.SIGHUP)
	p.says(fmt.Sprintf(`(?s)(?:%s.*){%d}`, says, n))
}

const (
	reloaded    = "the configuration was read again"
	notReloaded = "the configuration was not changed"
)

// TestReloadUnderLoad: keys, origins and limits change again and again while messages are published; no connection is
// lost, no message is missing, and what counts is always what is in the files.
func TestReloadUnderLoad(t *testing.T) {
	wstest.NoLeaks(t)
	const subscribers, rounds = 20, 6
	dir := t.TempDir()
	config, keys := filepath.Join(dir, "hawser.conf"), filepath.Join(dir, "keys")
	replaceFile(t, config, "HAWSER_PUBLISH_KEY_FILE="+keys+"\nHAWSER_ORIGIN=https://app0.example\n")
	replaceFile(t, keys, "both\nkey0\n")
	p := start(t, "serve", "--addr", "127.0.0.1:0", "--config", config)
	addr := p.address()

	var published atomic.Int64
	stop, stopped := make(chan struct{}), make(chan struct{})
	var peers []*peer
	for range subscribers {
		peers = append(peers, dial(t, "ws://"+addr+"/topics/news", nil))
	}
	counts := make(chan int64, subscribers)
	for _, c := range peers {
		go func() {
			for next := int64(0); ; next++ {
				m := <-c.messages
				if m.err != nil || m.p != fmt.Sprint(next) {
					if m.p != "end" {
						t.Errorf("got %q, %v; want message %d", m.p, m.err, next)
					}
					counts <- next
					return
				}
			}
		}()
	}
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
			}
			if status := post(t, addr, "news", "both", fmt.Sprint(published.Load())); status != 200 {
				t.Errorf("publishing: %d", status)
				return
			}
			published.Add(1)
		}
	}()
	for i := 1; i <= rounds; i++ {
		replaceFile(t, keys, fmt.Sprintf("# round %d\nboth\nkey%d\n", i, i))
		replaceFile(t, config, fmt.Sprintf("HAWSER_PUBLISH_KEY_FILE=%s\nHAWSER_ORIGIN=https://app%d.example\nHAWSER_MAX_MESSAGE=%d\n",
			keys, i, 100*i))
		p.reload(i, reloaded)
		for key, want := range map[string]int{fmt.Sprintf("key%d", i): 200, fmt.Sprintf("key%d", i-1): 401} {
			if status := post(t, addr, "other", key, strings.Repeat("x", 100*i)); status != want {
				t.Errorf("round %d, %s: %d, want %d", i, key, status, want)
			}
		}
		if status := post(t, addr, "other", "both", strings.Repeat("x", 100*i+1)); status != 413 {
			t.Errorf("round %d, a large message: %d", i, status)
		}
		dial(t, "ws://"+addr+"/topics/other", http.Header{"Origin": {fmt.Sprintf("https://app%d.example", i)}})
		wantRefused(t, "ws://"+addr+"/topics/other", http.Header{"Origin": {fmt.Sprintf("https://app%d.example", i-1)}}, 403)
	}
	close(stop)
	<-stopped
	post(t, addr, "news", "both", "end")
	for range peers {
		if n := <-counts; n != published.Load() {
			t.Errorf("a subscriber got %d of %d messages", n, published.Load())
		}
	}
	if n := published.Load(); n < rounds {
		t.Errorf("%d messages were no load", n)
	}
}

// TestReloadOfABrokenConfiguration: nothing changes, and the log says why.
func TestReloadOfABrokenConfiguration(t *testing.T) {
	dir := t.TempDir()
	config, keys := filepath.Join(dir, "hawser.conf"), filepath.Join(dir, "keys")
	good := "HAWSER_PUBLISH_KEY_FILE=" + keys + "\n"
	replaceFile(t, config, good)
	replaceFile(t, keys, "first\n")
	p := start(t, "serve", "--addr", "127.0.0.1:0", "--admin-addr", "127.0.0.1:0", "--config", config)
	addr := p.address()
	subscriber := dial(t, "ws://"+addr+"/topics/news", nil)
	broken := []struct{ config, keys, says string }{
		{good + "HAWSER_MAX_CONECTIONS=7\n", "second\n", `line 2: there is no setting HAWSER_MAX_CONECTIONS`},
		{good, " bad \n", `line 1: the publish key has a space`},
		{good, "", `there is no key in it`},
		{good + "HAWSER_PUBLISH_KEY_FILE=" + keys, "second\n", `is set already`},
		{good + "HAWSER_ORIGIN=://\n", "second\n", `--origin: `},
		{"HAWSER_DEV=true\n", "second\n", `--dev cannot be turned on or off`},
	}
	for i, row := range broken {
		replaceFile(t, config, row.config)
		replaceFile(t, keys, row.keys)
		p.reload(i+1, notReloaded)
		p.says(row.says)
		if first, second := post(t, addr, "news", "first", fmt.Sprint(i)), post(t, addr, "news", "second", "x"); first != 200 || second != 401 {
			t.Errorf("round %d: the old key: %d, the new one: %d", i, first, second)
		}
		subscriber.wantMessage(websocket.TextMessage, fmt.Sprint(i))
	}
	replaceFile(t, config, good+"HAWSER_ADDR=127.0.0.1:1\nHAWSER_LOG=json\nHAWSER_DRAIN=7s\n")
	replaceFile(t, keys, "second\n")
	p.reload(1, reloaded)
	p.says(`setting=HAWSER_DRAIN`)
	p.says(`setting=HAWSER_LOG\n`)
	if strings.Contains(p.err.String(), "setting=HAWSER_ADDR") {
		t.Error("the command line has not changed, and is stronger than the file")
	}
	if first, second := post(t, addr, "news", "first", "x"), post(t, addr, "news", "second", "last"); first != 401 || second != 200 {
		t.Errorf("the old key: %d, the new one: %d", first, second)
	}
	subscriber.wantMessage(websocket.TextMessage, "last")
	metrics := p.metrics()
	if done, failed := metrics[`hawser_reloads_total{result="done"}`], metrics[`hawser_reloads_total{result="failed"}`]; done != 1 || failed != float64(len(broken)) {
		t.Errorf("%v reloads, and %v that failed", done, failed)
	}
}

// admin waits for the line that says where the admin listener is.
func (p *process) admin() string {
	p.t.Helper()
	return p.says(`metrics on http://(127\.0\.0\.1:\d+)/`)[1]
}

// metrics asks for the metrics and reads them as Prometheus does.
func (p *process) metrics() map[string]float64 {
	p.t.Helper()
	status, text := request(p.t, http.MethodGet, "http://"+p.admin()+"/metrics", "", nil)
	values, err := wstest.ParseMetrics(text)
	if status != 200 || err != nil {
		p.t.Errorf("metrics: %d, %v", status, err)
	}
	return values
}

// makeCertificate writes a certificate for 127.0.0.1 and its key, and returns it.
func makeCertificate(t *testing.T, certFile, keyFile string, serial int64) *x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "test"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	replaceFile(t, certFile, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	replaceFile(t, keyFile, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})))
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// shownSerial returns the serial number of the certificate that the server shows.
func shownSerial(t *testing.T, addr string) int64 {
	t.Helper()
	c, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return c.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
}

// TestCertificatesAreReadAgain: on SIGHUP, and when the files change; connections stay, and a broken file changes
// nothing.
func TestCertificatesAreReadAgain(t *testing.T) {
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	cert := makeCertificate(t, certFile, keyFile, 1)
	p, addr := startServe(t, "--tls-cert", certFile, "--tls-key", keyFile)
	p.says(`listening on https://`)
	roots := x509.NewCertPool()
	roots.AddCert(cert)
	subscriber := dialWith(t, &websocket.Dialer{TLSConfig: &tls.Config{RootCAs: roots}}, "wss://"+addr+"/topics/news", nil)
	if n := shownSerial(t, addr); n != 1 {
		t.Errorf("certificate %d, want 1", n)
	}
	client := http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}}
	publish := func(text string) {
		t.Helper()
		r, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://"+addr+"/topics/news", strings.NewReader(text))
		r.Header = withKey()
		res, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, res.Body)
		res.Body.Close()
		subscriber.wantMessage(websocket.TextMessage, text)
	}
	publish("one")

	makeCertificate(t, certFile, keyFile, 2)
	p.reload(1, reloaded)
	if n := shownSerial(t, addr); n != 2 {
		t.Errorf("after SIGHUP: certificate %d, want 2", n)
	}
	publish("two")

	makeCertificate(t, certFile, keyFile, 3)
	awaitSerial(t, addr, 3) // without a signal
	publish("three")

	replaceFile(t, certFile, "no certificate")
	p.reload(1, notReloaded)
	if n := shownSerial(t, addr); n != 3 {
		t.Errorf("a broken file: certificate %d, want 3", n)
	}
	publish("four")
}

// awaitSerial waits until the server shows a certificate. It looks at the files once a second.
func awaitSerial(t *testing.T, addr string, serial int64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for shownSerial(t, addr) != serial {
		select {
		case <-ctx.Done():
			t.Fatalf("the server does not show certificate %d", serial)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// TestNoSecretIsLogged runs with every kind of secret, makes everything happen that is logged, and looks for them.
func TestNoSecretIsLogged(t *testing.T) {
	dir := t.TempDir()
	secretFile, privateFile, keyFile, config := filepath.Join(dir, "secret"), filepath.Join(dir, "key"), filepath.Join(dir, "keys"), filepath.Join(dir, "conf")
	hawser(t, "token", "--new-secret", secretFile)
	hawser(t, "token", "--new-key", privateFile)
	secret, _ := os.ReadFile(secretFile)
	private, _ := os.ReadFile(privateFile)
	_, token, _ := hawser(t, "token", "--secret-file", secretFile, "--sub", "news", "--pub", "news")
	token = strings.TrimSpace(token)
	replaceFile(t, keyFile, "key-in-a-file\n")
	replaceFile(t, config, "HAWSER_PUBLISH_KEY_FILE="+keyFile+"\nHAWSER_PUBLISH_KEY=key-in-the-config\n")
	p := start(t, "serve", "--addr", "127.0.0.1:0", "--admin-addr", "127.0.0.1:0", "--pprof", "--config", config, "--publish-key", "key-of-the-flag",
		"--jwt-secret-file", secretFile, "--jwt-public-key-file", privateFile+".pub", "--log", "json", "--log-level", "debug")
	addr := p.says(`listening on http://(127\.0\.0\.1:\d+)/`)[1]
	subscriber := dial(t, "ws://"+addr+"/topics/news?token="+token, nil)
	dial(t, "ws://"+addr+"/topics/news", bearerOf(token))
	for _, key := range []string{"key-of-the-flag", "key-in-a-file", "wrong-key", token, token + "x", "a.b.c"} {
		post(t, addr, "news", key, "x")
		request(t, http.MethodPost, "http://"+addr+"/topics/news?token="+key, "x", nil)
		request(t, http.MethodGet, "http://"+addr+"/topics/other?token="+key, "", http.Header{"Cookie": {"session=cookie-secret"}})
	}
	request(t, http.MethodGet, "http://"+p.says(`metrics on http://(127\.0\.0\.1:\d+)/`)[1]+"/debug/pprof/cmdline", "", nil)
	replaceFile(t, config, "HAWSER_PUBLISH_KEY_FILE="+keyFile+"\nHAWSER_PUBLISH_KEY=key-in-the-config \nHAWSER_X=key-unknown\n")
	p.reload(1, notReloaded)
	replaceFile(t, config, "HAWSER_PUBLISH_KEY_FILE="+keyFile+"\n")
	p.reload(1, reloaded)
	p.signal(syscall.SIGTERM)
	for subscriber.receive().err == nil {
	}
	if code := p.wait(); code != exitOK {
		t.Errorf("exit code %d", code)
	}
	text := p.err.String() + p.out.String()
	for name, s := range map[string]string{
		"a key": "key-", "the secret": strings.TrimSpace(string(secret)), "the private key": strings.Split(string(private), "\n")[1],
		"the token": token, "the signature": token[strings.LastIndex(token, ".")+1:], "a query": "token=", "a cookie": "cookie-secret",
	} {
		// Names of files and settings may be there.
		if strings.Contains(strings.NewReplacer("publish-key-file", "", "jwt-public-key-file", "").Replace(text), s) {
			t.Errorf("%s (%q) is in the log:\n%s", name, s, text)
		}
	}
	for _, want := range []string{`"msg":"publishing","who":"publish key 1"`, `"msg":"subscribing","who":"token `} {
		if !strings.Contains(text, want) {
			t.Errorf("%s is not in the log:\n%s", want, text)
		}
	}
	refused := 0
	for line := range strings.Lines(text) {
		var record struct{ Time, Level, Msg, Reason string }
		if err := json.Unmarshal([]byte(line), &record); err != nil || record.Time == "" || record.Msg == "" {
			t.Errorf("not a record: %q, %v", line, err)
		}
		if record.Msg == "refused" {
			refused++
		}
	}
	if refused < 10 {
		t.Errorf("%d refusals in the log:\n%s", refused, text)
	}
}

// TestHandshakesDoNotWaitForTheFileSystem: while one looks whether the certificate has changed, the others go on.
func TestHandshakesDoNotWaitForTheFileSystem(t *testing.T) {
	looking, hang := make(chan struct{}), make(chan struct{})
	c := &certificates{
		log: slog.New(slog.DiscardHandler), current: new(tls.Certificate),
		stampOf: func(string, string) (s stamp) { close(looking); <-hang; return s },
	}
	one := make(chan *tls.Certificate)
	go func() {
		got, _ := c.get(nil)
		one <- got
	}()
	<-looking
	if got, err := c.get(nil); got != c.current || err != nil {
		t.Errorf("%v, %v", got, err)
	}
	close(hang)
	if got := <-one; got != c.current {
		t.Errorf("who has looked got %v", got)
	}
}
