{{- define "patchbay.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "patchbay.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" }}
{{- else if contains (include "patchbay.name" .) .Release.Name }}
{{- .Release.Name | trunc 50 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "patchbay.name" .) | trunc 50 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "patchbay.selector" -}}
app.kubernetes.io/name: {{ include "patchbay.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "patchbay.labels" -}}
{{ include "patchbay.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "patchbay.serviceAccount" -}}
{{- default (include "patchbay.fullname" .) .Values.serviceAccount.name }}
{{- end }}

{{- define "patchbay.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end }}
{{- end }}

{{- define "patchbay.claim" -}}
{{- default (printf "%s-data" (include "patchbay.fullname" .)) .Values.database.sqlite.existingClaim }}
{{- end }}

{{/* Refuses what would start and not work. */}}
{{- define "patchbay.check" -}}
{{- $settings := .Values.settings }}
{{- $isService := or (hasKey $settings "keys.transit_url") (hasKey $settings "keys.kms_key_id") }}
{{- if and (not .Values.keys.keyringSecret.name) (not $isService) }}
{{- fail "keys.keyringSecret.name is empty: name the secret that holds the key ring, or set keys.transit_url or keys.kms_key_id in settings" }}
{{- end }}
{{- if and (eq .Values.database.kind "postgres") (not .Values.database.postgres.urlSecret.name) }}
{{- fail "database.postgres.urlSecret.name is empty: name the secret that holds the postgres:// URL" }}
{{- end }}
{{- $modes := splitList "," .Values.auth.mode }}
{{- if and (has "api_key" $modes) (not .Values.auth.pepperSecret.name) }}
{{- fail "auth.pepperSecret.name is empty: API keys need a pepper (openssl rand -hex 32) in a secret" }}
{{- end }}
{{- if and (has "gateway" $modes) (not .Values.auth.gatewayTokenSecret.name) (not (hasKey $settings "auth.gateway_networks")) }}
{{- fail "mode gateway needs auth.gatewayTokenSecret.name, auth.gateway_networks in settings, or both" }}
{{- end }}
{{- end }}

{{/* A variable from a secret: (dict "variable" NAME "from" SECRET_KEY). */}}
{{- define "patchbay.secretVariable" -}}
{{- if .from.name }}
- name: {{ .variable }}
  valueFrom:
    secretKeyRef:
      name: {{ .from.name }}
      key: {{ .from.key }}
{{- end }}
{{- end }}

{{/* Server and job alike: what both must agree on. */}}
{{- define "patchbay.env" -}}
- name: PATCHBAY_LISTEN
  value: "0.0.0.0:8080"
- name: PATCHBAY_DATA_DIR
  value: /var/lib/patchbay
- name: PATCHBAY_LOG__FORMAT
  value: json
- name: PATCHBAY_AUTH__MODE
  value: {{ .Values.auth.mode | quote }}
{{- if has "open" (splitList "," .Values.auth.mode) }}
- name: PATCHBAY_SERVER__INSECURE_TRUST_ACCOUNT_HEADER
  value: "true"
{{- end }}
{{- if eq .Values.database.kind "postgres" }}
{{- include "patchbay.secretVariable" (dict "variable" "PATCHBAY_DATABASE_URL" "from" .Values.database.postgres.urlSecret) }}
{{- end }}
{{- range $key, $value := .Values.settings }}
- name: PATCHBAY_{{ $key | replace "." "__" | upper }}
  {{- /* Numbers arrive as floats, and large ones would be written with an exponent. */}}
  value: {{ if kindIs "float64" $value }}{{ $value | int64 | toString | quote }}{{ else }}{{ $value | toString | quote }}{{ end }}
{{- end }}
{{- end }}

{{/* The server alone: the job that changes the schema opens no secret and lets nobody in. As variables, for where the
user can read the volume of a secret, its group can, and a key ring like that is refused. */}}
{{- define "patchbay.keyEnv" -}}
{{- include "patchbay.secretVariable" (dict "variable" "PATCHBAY_KEYRING" "from" .Values.keys.keyringSecret) }}
{{- include "patchbay.secretVariable" (dict "variable" "PATCHBAY_AUTH_PEPPER" "from" .Values.auth.pepperSecret) }}
{{- include "patchbay.secretVariable" (dict "variable" "PATCHBAY_GATEWAY_TOKEN" "from" .Values.auth.gatewayTokenSecret) }}
{{- end }}

{{- define "patchbay.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
# Only a volume that is new: done at each start it would let the group read the files that are for the owner alone.
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "patchbay.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{- define "patchbay.placement" -}}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end }}
