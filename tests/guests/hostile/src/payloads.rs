//! All payloads by family. Guest and tests both expand this list, so that a payload without a test does not compile, nor
//! a test without a payload.

/// Calls a macro with every family and the names of its payloads.
macro_rules! for_each_payload {
    ($then:ident) => {
        $then! {
            exhaustion {
                spin_in_add,
                spin_in_del,
                spin_in_check,
                spin_in_gc,
                spin_in_status,
                recursion,
                memory_past_the_cap,
                memory_in_one_step,
                panic_with_a_flood_of_text,
                abort,
                log_flood,
                log_line_without_end,
                log_line_that_forges_another,
                call_flood,
                handle_flood,
                sleep_past_the_deadline,
                wait_for_a_link_past_the_deadline,
                huge_text_to_the_host,
                huge_list_to_the_host,
                lists_of_lists,
                huge_document,
                huge_result,
                huge_error,
                count_all_of_ipv6,
            }
            handles {
                used_after_drop,
                dropped_twice,
                guessed,
                of_another_type,
                link_that_outlives_its_namespace_handle,
                link_that_was_deleted,
                controller_of_another_namespace,
                redirect_into_another_namespace,
            }
            names {
                interface_names_that_are_paths,
                interface_names_that_are_too_long,
                interface_names_that_look_alike,
                interface_names_with_formats,
                sysctls_that_climb,
                sysctls_outside_the_network,
                sysctls_of_other_namespaces,
                directories_that_climb,
                directories_that_are_too_long,
                firewall_names_that_break_out,
                iptables_words_that_break_out,
                comments_that_break_out,
                plugin_types_that_are_paths,
                devices_that_are_paths,
                zones_that_are_paths,
                texts_with_nul,
            }
            results {
                not_json,
                no_object,
                empty,
                with_a_second_document,
                of_wrong_types,
                with_impossible_addresses,
                with_indices_that_point_nowhere,
                nested_without_end,
                keys_without_end,
                keys_twice,
                error_with_code_zero,
                error_with_control_characters,
                error_that_poses_as_the_host,
                of_a_version_to_come,
            }
            reentrancy {
                calls_itself,
                calls_an_accomplice_that_calls_back,
                calls_itself_for_another_command,
                calls_others_without_end,
                spends_the_time_of_its_caller,
            }
            delegates {
                type_that_was_not_granted,
                native_type,
                with_another_network,
                with_another_store,
                gc_of_all_others,
                gc_during_del,
                address_that_the_accomplice_made_up,
            }
            host_links {
                set_down,
                renamed,
                mtu,
                hardware_address,
                other_settings,
                deleted,
                moved_into_the_container,
                under_a_bridge,
                addresses_added,
                addresses_removed,
                addresses_announced,
                macvlan_on_top,
                loopback,
                queueing,
                redirected,
            }
            host_routing {
                default_route_added,
                default_route_replaced,
                default_route_deleted,
                route_to_a_neighbour_stolen,
                route_in_another_table,
                policy_rule_added,
                policy_rule_deleted,
                forwarding_off,
                settings_of_the_uplink,
                core_pattern,
                zone_of_firewalld,
            }
            others {
                link_set_down,
                link_deleted,
                link_moved_into_the_container,
                bridge_changed,
                bridge_joined,
                bridge_deleted,
                container_link_of_another_attachment,
                nftables_table_deleted,
                nftables_chain_flushed,
                nftables_rule_first,
                nftables_rules_deleted,
                nftables_elements,
                nftables_chain_before_all,
                iptables_chain_flushed,
                iptables_accept_first,
                iptables_rule_deleted,
                documents_forgotten,
                documents_of_another_plugin,
                store_of_another_directory,
                address_of_another_taken,
                addresses_of_others_released,
                leases_of_others_released,
            }
            runtime {
                previous_result_that_names_the_uplink,
                previous_result_that_names_a_neighbour,
            }
            files {
                shadow,
                environment_of_a_process,
                device,
                pipe,
                directory,
            }
            wasi {
                reads_files,
                writes_files,
                sees_no_environment,
                connects,
                listens,
                resolves_names,
                exits_with_success,
                exits_with_failure,
                sleeps_past_the_deadline,
                prints_without_end,
                asks_for_much_randomness,
            }
        }
    };
}
