// Package webhooks tells whether a webhook is genuine. It needs Go's standard library only.
package webhooks

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const tolerance = 5 * time.Minute

// Verify returns an error where body, the bytes of the request as they came, is not genuine, or was not sent within the
// last five minutes. The secret is the webhook's secret, or its public key (whpk_...).
func Verify(body []byte, header http.Header, secret string, now time.Time) error {
	timestamp := header.Get("webhook-timestamp")
	seconds, err := strconv.ParseInt(timestamp, 10, 64)
	if err != nil || now.Sub(time.Unix(seconds, 0)).Abs() > tolerance {
		return errors.New("no timestamp, or one that is too far from now")
	}
	key, err := keyOf(secret)
	if err != nil {
		return err
	}
	made := madeWithSecret
	if strings.HasPrefix(secret, "whpk_") {
		made = madeWithKey
	}
	signed := append([]byte(header.Get("webhook-id")+"."+timestamp+"."), body...)
	for _, given := range strings.Split(header.Get("webhook-signature"), " ") { // two while the secret is being changed
		if made(key, given, signed) {
			return nil
		}
	}
	return errors.New("no signature is made with this secret")
}

func madeWithSecret(key []byte, signature string, signed []byte) bool {
	expected := "v1," + base64.StdEncoding.EncodeToString(sum(key, signed))
	return hmac.Equal([]byte(expected), []byte(signature))
}

func madeWithKey(key []byte, signature string, signed []byte) bool {
	encoded, found := strings.CutPrefix(signature, "v1a,")
	raw, err := base64.StdEncoding.DecodeString(encoded)
	return found && err == nil && len(key) == ed25519.PublicKeySize && ed25519.Verify(key, signed, raw)
}

// VerifyBody tells whether signature, the header X-Webhook-Signature, is of body. It says nothing of when it was sent.
func VerifyBody(body []byte, signature, secret string) bool {
	expected := "sha256=" + hex.EncodeToString(sum([]byte(secret), body))
	return hmac.Equal([]byte(expected), []byte(signature))
}

// keyOf: a secret that was made for you, and a public key, hold their key in base64; a secret that you chose is its own.
func keyOf(secret string) ([]byte, error) {
	for _, kind := range []string{"whsec_", "whpk_"} {
		if encoded, found := strings.CutPrefix(secret, kind); found {
			return base64.StdEncoding.DecodeString(encoded)
		}
	}
	return []byte(secret), nil
}

func sum(key, message []byte) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write(message)
	return mac.Sum(nil)
}
