Scalar.createApiReference("#reference", {
  url: "/openapi.yaml",
  authentication: {
    preferredSecurityScheme: "bearer",
    securitySchemes: { bearer: { token: "TOKEN" } },
  },
  defaultHttpClient: { targetKey: "shell", clientKey: "curl" },
  // All that would ask other hosts, or lead to them.
  agent: { disabled: true },
  mcp: { disabled: true },
  hideClientButton: true,
  showDeveloperTools: "never",
  telemetry: false,
  withDefaultFonts: false,
});
